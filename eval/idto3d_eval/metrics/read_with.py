"""What cards say alike: the networks that metrics read with, and what is done before a number is made."""

RECOGNISER = "recogniser_b.onnx"  # it conditioned nothing
READER = "reader_scoring.onnx"  # landmarks, presence and the 52 actions
FACES = (RECOGNISER, READER)

EMBEDDED = (
    "8-bit views of the canonical renderer, and photos as they are; the reader finds 68 landmarks in an "
    "upright crop of 1.35 times their extent, the face is warped by a similarity of five points to ArcFace's "
    "112 × 112 template, and the embedding is the sum with its mirror image's, of length one."
)
ACTIONS = (
    "8-bit frontal views of the canonical renderer; the reader's own crops, upright, 1.6 and then 1.35 times "
    "the landmarks' extent, 112 × 112 pixels."
)
LIFTED = (
    "Seven landmarks are read on the frontal views and lifted onto the mesh by ray casting, the median over "
    "the views, of head and truth alike; the truth is 50,000 area-uniform points of its outer skin."
)
MESH_ALBEDO = (
    "20,000 area-uniform points of the neutral mesh in a ball of 55 mm about the face, those that can be "
    "seen from the front; albedo read bilinearly through the UVs, linear."
)
COUNTED = "None: counted while the head is made."
FILES = "None: read from the head's files."
