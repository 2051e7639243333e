"""A folder for the path of a server whose garbage collector is watched."""
