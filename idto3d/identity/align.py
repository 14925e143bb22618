"""Face alignment: 68 landmarks to ArcFace's 112 x 112 template, and loose crops for the reader.

Landmarks are in pixels, x right, y down, pixel centres at + 0.5, in the order of iBUG 300-W
(Sagonas 2013): 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth; the face's own right first,
which lies at the left of the image.
"""

import cv2
import numpy as np

ALIGNED = 112  # pixels

# Eye centres, nose tip, mouth corners in the 112 x 112 image (insightface, `face_align.arcface_dst`),
# there with pixel centres at whole numbers.
ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Eye centres, nose tip and mouth corners of 68 landmarks.

    Args:
        landmarks: [..., 68, 2] pixels.

    Returns:
        [..., 5, 2] pixels, in the order of `ARCFACE_TEMPLATE`.
    """
    return np.stack(
        [
            landmarks[..., 36:42, :].mean(-2),
            landmarks[..., 42:48, :].mean(-2),
            landmarks[..., 30, :],
            landmarks[..., 48, :],
            landmarks[..., 54, :],
        ],
        -2,
    )


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Turn, scale and shift that take points to points with least squares, never a mirror.

    In the plane this is one complex regression (Umeyama 1991 for two dimensions).

    Args:
        source: [K, 2].
        target: [K, 2].

    Returns:
        [2, 3] float64 matrix M: target ≈ M @ (x, y, 1).
    """
    z = source @ np.array([1.0, 1.0j])
    w = target @ np.array([1.0, 1.0j])
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / max(np.vdot(centred, centred).real, 1e-12)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Warp a photo onto ArcFace's template.

    Args:
        image: uint8 [H, W, 3] RGB.
        landmarks: [68, 2] pixels, or the five points [5, 2].

    Returns:
        uint8 [112, 112, 3] RGB; black outside the photo.
    """
    points = landmarks if len(landmarks) == 5 else five_points(landmarks)
    return warp(image, similarity(points, ARCFACE_TEMPLATE + 0.5), ALIGNED)


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Resample an image by a matrix between continuous coordinates (pixel centres at + 0.5).

    A shrinking warp is preceded by an area resize, so that fine detail does not alias.

    Args:
        image: uint8 [H, W, 3].
        matrix: [2, 3], from source to target coordinates.
        size: of the square result, pixels.

    Returns:
        uint8 [size, size, 3]; black outside the photo.
    """
    matrix = np.array(matrix, float)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        height, width = image.shape[:2]
        new_width = max(1, round(width * scale * 1.5))
        new_height = max(1, round(height * scale * 1.5))
        image = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
        matrix[:, 0] *= width / new_width
        matrix[:, 1] *= height / new_height
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV's pixel centres lie at whole numbers
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR))


def square_crop(landmarks: np.ndarray, size: int, margin: float = 1.35, side: float = 0.0) -> np.ndarray:
    """Matrix from photo pixels to a square crop of `size` pixels around a face.

    Args:
        landmarks: [68, 2] pixels.
        size: of the crop, pixels.
        margin: crop side over the larger extent of the landmarks.
        side: smallest side in photo pixels.

    Returns:
        [2, 3] float64 matrix for `warp`.
    """
    low, high = landmarks.min(0), landmarks.max(0)
    extent = max(float((high - low).max()) * margin, side, 1e-6)
    scale = size / extent
    corner = (low + high) / 2 - extent / 2
    return np.array([[scale, 0.0, -scale * corner[0]], [0.0, scale, -scale * corner[1]]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [..., 2] through a [2, 3] matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The [2, 3] matrix that undoes one."""
    return np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))[:2]
