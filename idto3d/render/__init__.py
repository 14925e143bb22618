"""Cameras, lights, rasterisation and shading; the conventions for axes, colour space and units live here.

Axes. The head frame is right-handed: +Y up, the face looks along +Z, +X is the person's left (the right of
the image when seen from the front), the origin lies between the eyes. Triangles wind counter-clockwise seen
from outside, so cross products point outward. Camera space: x right, y up, z toward the viewer (OpenGL).

Cameras. Perspective, square image. Yaw > 0 moves the camera toward +X, pitch > 0 above. Pixel (row r,
column c) has its centre at x = c + 0.5, y = r + 0.5; x grows to the right, y downward. Images are
[H, W, ...].

Units. Lengths in millimetres, angles in radians, depth in millimetres as the camera measures it, infinite
where nothing was hit. Only `idto3d.asset` knows the metres of a GLB.

Colour. Float images are linear radiance (a diffuse white under unit light is 1) unless a name says `srgb`;
uint8 images are sRGB (IEC 61966-2-1). Textures: albedo is uint8 sRGB; roughness and metallic are linear, in
the G and B channels as glTF 2.0 has them. UV: u right, v up, so that v = 1 is the first row of a texture.

Normals. Camera space, unit length, each channel in [-1, 1], background (0, 0, 0), and values between where
a silhouette crosses a pixel. As an image: rgb = 0.5 + 0.5 n, so the background is middle grey.

Backgrounds are zero in what `rasterise` and `interpolate` return; `views` sets a fixed grey.
"""
