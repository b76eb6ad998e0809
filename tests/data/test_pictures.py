"""What a picture file becomes: channels, transparency, sizes, 16 bits, floats, ranges; against Pillow and NumPy."""

import io
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minigen.data import load
from minigen.data.picture import decode, header
from minigen.data.picture_options import Header, PictureOptions, image_sides, picture_options, range_setting, value_pair

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (7, 5, 4), dtype=np.uint8)
GREY = RNG.integers(0, 256, (7, 5), dtype=np.uint8)


def png(x, mode=None, **options):
    out = io.BytesIO()
    (x if isinstance(x, Image.Image) else Image.fromarray(x, mode) if mode else Image.fromarray(x)).save(
        out, options.pop("format", "PNG"), **options
    )
    return out.getvalue()


def read(data, **options):
    return decode(data, picture_options(**{f"image_{k}": v for k, v in options.items()}))


def over(rgba, colour):
    """Colours over a background, in exact arithmetic."""
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + colour * (1 - alpha)


def test_what_becomes_of_transparency():
    data = png(RGBA)
    for alpha, colour in (("white", 255), ("black", 0)):
        x = read(data, alpha=alpha)
        assert x.shape == (3, 7, 5) and x.dtype == np.uint8
        assert np.abs(x.transpose(1, 2, 0) - over(RGBA, colour)).max() <= 1  # Pillow rounds in whole numbers
    assert np.array_equal(read(data, alpha="drop"), RGBA[..., :3].transpose(2, 0, 1))
    kept = read(data, alpha="keep")
    assert np.array_equal(kept, RGBA.transpose(2, 0, 1)) and np.array_equal(kept, read(data, alpha="keep", channels=4))
    assert np.array_equal(read(png(RGBA[..., :3]), alpha="keep", channels=4)[3], np.full((7, 5), 255))


def test_transparency_of_palettes_of_grey_and_of_one_colour():
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L")
    palette.putpalette([9, 9, 9, 50, 60, 70, 100, 110, 120])
    data = png(palette, transparency=bytes([0, 128, 255]))
    assert header(data).alpha
    assert np.array_equal(read(data, alpha="drop")[:, 0].T, [[9] * 3, [50, 60, 70], [100, 110, 120]])
    assert read(data, alpha="keep")[3, 0].tolist() == [0, 128, 255]
    assert read(data, alpha="black")[:, 0, 0].tolist() == [0, 0, 0]
    grey = png(GREY, transparency=int(GREY[0, 0]))
    there = GREY == GREY[0, 0]
    for alpha, value in (("white", 255), ("black", 0)):
        assert np.array_equal(read(grey, alpha=alpha, channels=1)[0], np.where(there, value, GREY))
    assert np.array_equal(read(grey, alpha="drop")[0], GREY)
    assert np.array_equal(read(grey, alpha="keep")[3] == 0, there)
    wide = GREY.astype(np.uint16) * 257
    sixteen = png(wide, transparency=int(wide[0, 0]))
    for alpha, value in (("white", 255), ("black", 0), ("drop", None)):
        assert np.array_equal(read(sixteen, alpha=alpha)[0], GREY if value is None else np.where(there, value, GREY))
    assert np.array_equal(read(sixteen, alpha="keep")[3] == 0, there)


def test_grey_or_colour_is_decided_for_all_pictures_or_by_the_option(tmp_path):
    for k, x in enumerate([GREY, RGBA[..., :3]]):
        (tmp_path / f"{k}.png").write_bytes(png(x))
    assert load(tmp_path).image_shape == (3, 7, 5)
    grey = load(tmp_path, image_channels=1)
    assert grey.image_shape == (1, 7, 5)
    luma = np.round(RGBA[..., :3] @ [0.299, 0.587, 0.114])
    both = {s: load(tmp_path, split=s, image_channels=1).images for s in ("train", "test")}
    errors = [np.abs(x[0, 0] - luma).max() for x in both.values()]
    assert min(errors) <= 1 and any(np.array_equal(x[0, 0], GREY) for x in both.values())
    (tmp_path / "0.png").write_bytes(png(RGBA))
    assert load(tmp_path, image_alpha="keep").image_shape == (4, 7, 5)
    with pytest.raises(ValueError, match="image_channels is 3; take 4"):
        load(tmp_path, image_alpha="keep", image_channels=3)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(4, 4), (10, 3), (3, 10), (14, 10)])
def test_fits_keep_what_they_say(fit, size):
    """A picture of one grey stays it; a bright border column is cut, kept, or kept beside the background."""
    x = np.full((14, 10), 90, np.uint8)
    assert set(np.unique(read(png(x), size=size, fit=fit))) <= {90, 255}
    data = read(png(x), size=size, fit=fit)
    assert data.shape == (1, *size)
    scale = min(size[0] / 14, size[1] / 10)
    covered = (round(14 * scale), round(10 * scale)) if fit == "pad" else size
    assert (data == 90).sum() == covered[0] * covered[1]
    black = read(png(x), size=size, fit=fit, alpha="black")
    assert np.array_equal(black == 0, data == 255)


def test_stretch_and_crop_are_lanczos_of_pillow():
    picture = Image.fromarray(GREY)
    stretched = np.asarray(picture.resize((9, 4), Image.Resampling.LANCZOS))
    assert np.array_equal(read(png(GREY), size="4x9", fit="stretch")[0], stretched)
    cropped = picture.resize((5, 5), Image.Resampling.LANCZOS, box=(0, 1, 5, 6))  # the middle of 7 rows
    assert np.array_equal(read(png(GREY), size=5)[0], np.asarray(cropped))


def test_orientation_is_applied_first():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    data = png(GREY, exif=exif)
    assert header(data).size == (5, 7)
    assert np.array_equal(read(data)[0], np.rot90(GREY, -1))
    assert np.array_equal(read(data, range="0:255")[0], (np.rot90(GREY, -1) / 255).astype(np.float32))
    jpeg = png(GREY, format="JPEG", exif=exif)
    assert header(jpeg).size == read(jpeg).shape[1:] == (5, 7)


def test_cmyk_is_converted_without_a_profile_and_named():
    x = RNG.integers(0, 256, (4, 4, 4), dtype=np.uint8)
    data = png(Image.fromarray(x, "CMYK"), format="TIFF")
    assert header(data).space == "CMYK"
    wanted = (255.0 - x[..., :3]) * (255.0 - x[..., 3:]) / 255
    assert np.abs(read(data).transpose(1, 2, 0) - wanted).max() <= 1


@settings(max_examples=40)
@given(
    low=st.integers(-(2**31) + 1, 2**30), width=st.integers(1, 2**30), seed=st.integers(0, 99),
    kind=st.sampled_from(["uint16 png", "uint16 tiff", "int32 tiff", "float32 tiff", "uint8 png", "npy"]),
)  # fmt: skip
def test_a_stated_range_is_the_scale_of_the_stored_values(low, width, seed, kind):
    dtype, _, form = kind.partition(" ")
    rng = np.random.default_rng(seed)
    if dtype == "npy":
        x = rng.normal(low, width, (6, 5))
        out = io.BytesIO()
        np.save(out, x)
        data = out.getvalue()
    elif dtype == "float32":
        x = rng.normal(low, width, (6, 5)).astype(np.float32)
        data = png(x, format="TIFF")
    else:
        ends = np.iinfo(dtype)
        x = rng.integers(ends.min, ends.max, (6, 5), dtype=dtype, endpoint=True)
        low, width = low % 200, width % 1000 + 1
        data = png(x, format=form.upper())
    outside = []
    y = decode(data, PictureOptions(range=(low, low + width)), outside=lambda *ends: outside.append(ends))
    wanted = ((x.astype(np.float64) - low) / width).clip(0, 1)
    assert y.dtype == np.float32 and y.shape == (1, 6, 5)
    np.testing.assert_allclose(y[0], wanted, rtol=1e-6, atol=1e-7)  # the rounding of float32
    assert outside == ([(x.min(), x.max())] if x.min() < low or x.max() > low + width else [])


def test_all_16_bits_are_kept_with_a_range_and_the_upper_8_without():
    x = np.arange(35, dtype=np.uint16).reshape(7, 5) * 1873
    assert np.array_equal(read(png(x))[0], x >> 8)
    exact = (x / 65535).astype(np.float32)
    assert np.array_equal(read(png(x), range=(0, 65535))[0], exact)
    three = read(png(x), range=(0, 65535), channels=3)
    assert np.array_equal(three, np.stack([exact] * 3))
    small = read(png(x), range=(0, 65535), size=(3, 3), fit="stretch")[0]
    wanted = np.asarray(Image.fromarray(exact).resize((3, 3), Image.Resampling.LANCZOS)).clip(0, 1)
    assert np.array_equal(small, wanted)


@pytest.mark.parametrize("stream", [False, True])
def test_values_that_are_clipped_are_noted(tmp_path, monkeypatch, stream):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / ".cache"))
    for k in range(3):
        (tmp_path / f"{k}.png").write_bytes(png(np.full((4, 4), 100 * k + 9, np.uint16)))
    for _ in range(2):  # the second time from the cache, if it is streamed
        notes = [load(tmp_path, split=s, image_range="0:150", stream=stream).notes for s in ("train", "test")]
        assert notes == [("values from 209 to 209: those outside of [0, 150] are clipped",)] * 2
    if stream:  # what is read again does not pile up
        pictures = load(tmp_path, image_range=(0, 150), stream=True).images.images
        for _ in range(3):
            np.asarray(pictures)
        assert pictures.outside == [(209, 209)]
    assert load(tmp_path, image_range="0:209", stream=stream).notes == ()


def test_colour_and_transparency_within_a_range():
    y = read(png(RGBA), range="0:127")
    np.testing.assert_allclose(y.transpose(1, 2, 0), (over(RGBA, 127) / 127).clip(0, 1), atol=1e-6)
    y = read(png(RGBA), range="64:255", alpha="black")
    np.testing.assert_allclose(y.transpose(1, 2, 0), ((over(RGBA, 64) - 64) / 191).clip(0, 1), atol=1e-6)
    y = read(png(RGBA), range="0:255", alpha="keep")
    np.testing.assert_allclose(y.transpose(1, 2, 0), RGBA / 255, atol=1e-7)
    y = read(png(RGBA[..., :3]), range="0:255", channels=1)
    np.testing.assert_allclose(y[0], RGBA[..., :3] @ [0.299, 0.587, 0.114] / 255, atol=1e-6)


def save(x):
    out = io.BytesIO()
    np.save(out, x)
    return out.getvalue()


def test_arrays_as_pictures(tmp_path):
    x = RNG.normal(size=(6, 5, 3))
    for form in (x, x.transpose(2, 0, 1), np.asfortranarray(x)):
        y = read(save(form), range=(-3, 3))
        np.testing.assert_allclose(y, ((x.transpose(2, 0, 1) + 3) / 6).clip(0, 1), atol=1e-6)
    for bad, message in (
        (np.zeros((2, 5, 5)), r"\(2, 5, 5\) has no channel axis"),
        (np.zeros((2, 3, 5, 5)), r"expected numbers \(H, W\), \(C, H, W\) or \(H, W, C\), got float64 \(2, 3, 5, 5\)"),
        (np.array([["a"]]), "expected numbers"),
        (np.full((3, 3), np.nan), "values go from nan to nan; there must be finite numbers only"),
    ):
        (tmp_path / "a.npy").write_bytes(save(bad))
        with pytest.raises(ValueError, match=rf"a.npy: .*{message}"):
            decode(tmp_path / "a.npy", PictureOptions(range=(0, 1)))
    with pytest.raises(ValueError, match=r"an array is a picture where it is said .*--image-range LOW:HIGH"):
        read(save(x))
    with pytest.raises(ValueError, match="transparency is kept of pictures of 8 bits only"):
        read(save(np.zeros((4, 5, 5))), range=(0, 1))


def test_pictures_that_a_range_cannot_be_for(tmp_path):
    with pytest.raises(ValueError, match=r"pixels are float32 from 0.5 to 0.5; .*--image-range LOW:HIGH"):
        read(png(np.full((4, 4), 0.5, np.float32), format="TIFF"))
    (tmp_path / "a.png").write_bytes(png(GREY))
    (tmp_path / "b.png").write_bytes(png(GREY.astype(np.uint16)))
    assert len(load(tmp_path)) == 1
    with pytest.raises(ValueError, match="store 16-bit and 8-bit values, so one range of values cannot be that of all"):
        load(tmp_path, image_range="0:255")
    with pytest.raises(ValueError, match="transparency is kept of pictures of 8 bits only"):
        read(png(GREY.astype(np.uint16)), range="0:9", alpha="keep", channels=4)


OPTIONS = {
    "size": [0, -3, "x", "3x", "3x4x5", "0x3", 1.5, True, (1, 2, 3), (1.0, 2), []],
    "range": ["1", "1:0", "0:0", "a:b", "0:inf", (1,), (0, 1, 2), (1, 0), 7, "nan:1", (True, 2)],
    "channels": [0, 2, 5, "3", True],
    "alpha": ["grey", "", 1],
    "fit": ["cover", "", 0],
}


@pytest.mark.parametrize(("name", "value"), [(k, v) for k, values in OPTIONS.items() for v in values])
def test_wrong_options(name, value):
    with pytest.raises(ValueError, match=rf"^image_{name}: expected .*"):
        picture_options(**{f"image_{name}": value})


def test_options_that_contradict_each_other():
    with pytest.raises(ValueError, match="image_channels: the fourth channel is alpha, which is kept with"):
        picture_options(image_channels=4)
    with pytest.raises(ValueError, match="image_fit: 'pad' says how pictures come to image_size, and there is none"):
        picture_options(image_fit="pad")
    assert picture_options(image_channels=4, image_alpha="keep").given() == {"image_channels": 4, "image_alpha": "keep"}
    assert PictureOptions().given() == {} and picture_options(image_size="8x9").given() == {"image_size": (8, 9)}


@given(a=st.floats(-1e9, 1e9), b=st.floats(-1e9, 1e9), h=st.integers(1, 9999), w=st.integers(1, 9999))
def test_texts_of_sizes_and_ranges_come_back(a, b, h, w):
    low, high = min(a, b), max(a, b) + 1
    assert value_pair(range_setting((low, high))) == (low, high)
    assert image_sides(f"{h}x{w}") == image_sides((h, w)) == (h, w) and image_sides(str(h)) == image_sides(h) == (h, h)


def test_headers_decide_for_all():
    plain, alpha = Header(True, False, 1, (1, 1), "8-bit"), Header(True, True, 1, (1, 1), "8-bit")
    colour = Header(False, False, 1, (1, 1), "8-bit")
    for seen, options, wanted in (
        ([plain], {}, 1), ([plain, colour], {}, 3), ([plain, alpha], {}, 1), ([plain, alpha], {"alpha": "keep"}, 4),
        ([plain], {"alpha": "keep"}, 1), ([colour], {"channels": 1}, 1),
    ):  # fmt: skip
        assert PictureOptions(**options).resolve(seen).channels == wanted


def test_reading_on_several_threads_leaves_the_filters_of_warnings_as_they_were():
    data, before = png(RGBA), list(warnings.filters)

    def work():
        for _ in range(50):
            decode(data, PictureOptions())
            header(data)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
