"""ID-to-3D: photographs of a person in, textured 3D heads of that person out."""

__version__ = "0.1.0"
