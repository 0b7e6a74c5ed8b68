# A body in a file of its own.
x = 1
return x +
