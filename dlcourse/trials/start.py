"""Claims of this chapter on trial."""
