"""Grades that nobody can forge: strangers' code in a sandbox that holds no answers, comparison outside.

submissions     what a learning platform exports, read without trusting any of it
sandbox         where strangers' code runs: bubblewrap and limits; seccomp has the filter for system calls
worker          the process inside; with frames, rebuild and absent it is all of ours that is there
worker_process  the same process seen from outside
answers         a notebook and the calls of its exercises in, plain answers out, whatever the notebook does
grader          one submission to its results
journal         what is graded stays graded
jobs            tasks for processes that may die
batch           a whole class: `dlcourse grade SUBMISSIONS --out DIR`
feedback        a page for each student, and the table of grades
gradebook       into nbgrader's database
nbgrader_plugin the same safety inside nbgrader's own autograde
"""
