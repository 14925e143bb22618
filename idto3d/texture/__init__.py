"""Appearance of a head: UV atlas, baking, and the reflectance field that stage 2 optimises."""
