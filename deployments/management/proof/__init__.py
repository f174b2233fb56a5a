"""``manage.py prove_cloud``: one small paid life at a real cloud, and what it told."""
