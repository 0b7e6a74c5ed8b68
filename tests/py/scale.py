# The inside of a function, in a file of its own.
factors = {"C": 1,
           "F": 1.8}


def scaled(value):
    # Raises for a unit that is not there.
    return value * factors[unit]


return scaled(value)
