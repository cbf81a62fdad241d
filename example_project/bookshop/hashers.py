from django.contrib.auth.hashers import PBKDF2PasswordHasher


class DemoPasswordHasher(PBKDF2PasswordHasher):
    """PBKDF2 with few iterations: the passwords are published, and should be fast.

    The number is fixed, because Django raises its own with every release and would
    store the hashes of the fixture anew at each user's first login.
    """

    iterations = 1_000
