"""stub"""


def count_pairs(*a):
    raise NotImplementedError
