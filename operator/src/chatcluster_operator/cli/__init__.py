"""`kubectl chat`: what a person asks of a ChatCluster, in words.

It stands on top of all rooms and is part of none: it reads the API server as its user, foretells with the functions by
which the operator decides (`desired`, `decide`), and changes only what a person could change in the ChatCluster itself.
`main` has every command's options and help, and imports what does the work once it is called for: completion and help
answer at once.
"""
