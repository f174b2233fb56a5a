"""What ``manage.py doctor`` looks at, one small function a subject; none of them changes a row."""
