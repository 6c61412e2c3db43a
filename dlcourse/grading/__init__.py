"""Grades that nobody can forge: strangers' code in a sandbox that holds no answers, comparison outside.

roll            who handed in what; platforms has the ways to name it, names how names are shown
submissions     what they export, read without trusting any of it
sandbox         where strangers' code runs: bubblewrap and limits; seccomp has the filter for system calls
memory          a group of the kernel's for each worker, where one can be had
worker          the process inside; with frames, rebuild and absent it is all of ours that is there
worker_process  the same process seen from outside
answers         a notebook and the calls of its exercises in, plain answers out, whatever the notebook does
tasks           what is to be graded, and a result
verdicts        answers to reports, and how far they can be believed
choice          which of several files counts
grader          one submission to its results
jobs            the tasks of a class, for processes that may die
records         the secret and the log; all is for the owner's eyes
journal         what is graded stays graded
batch           a whole class: `dlcourse grade SUBMISSIONS --out DIR`
feedback        a page for each student, and the table of grades
gradebook       into nbgrader's database
nbgrader_plugin the same safety inside nbgrader's own autograde
"""
