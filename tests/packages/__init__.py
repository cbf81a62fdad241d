"""Packages that sites use beside django_batch, each in the latest release and on a site of its own.

Each package needs settings of its own, and some of them change Django for the whole process. So each file
`test_NAME.py` is run in a process of its own, with the settings `sites/NAME.py`. To run one by hand:

    pytest tests/packages/test_axes.py --ds=tests.packages.sites.axes
"""
