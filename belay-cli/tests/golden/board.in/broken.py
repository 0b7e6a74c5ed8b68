# Halves what it is given.
def half(value):
    return value / 2


print(half("4"))
