"""The measurements themselves: what is weighed, what is written, and a few nights of the year."""
