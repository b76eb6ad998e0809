"""Folders of pictures: what is read, what is counted, and what is refused by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minigen.data import load

X = np.random.default_rng(0).integers(0, 256, (40, 6, 5), dtype=np.uint8)


def save(path, x=X[0], **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x).save(path, **options)


def values(folder):
    return sorted(int(x) for s in ("train", "test") for x in load(folder, split=s).images[:, :, 0, 0].max(1))


FORMATS = (".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".PNG", ".TIF", ".Gif", ".ppm", ".pgm", ".tga", ".dib")


@pytest.mark.parametrize("suffix", FORMATS)
def test_formats_in_small_and_large_letters(tmp_path, suffix):
    save(tmp_path / "a.png", np.full((6, 5), 7, np.uint8))
    save(tmp_path / f"b{suffix}", np.full((6, 5), 9, np.uint8), **({"lossless": True} if suffix == ".webp" else {}))
    assert values(tmp_path) == [7, 9] and load(tmp_path).notes == ()


def test_jfif_and_16_bits(tmp_path):
    save(tmp_path / "a.jfif", np.full((8, 8), 99, np.uint8), format="JPEG")
    for k, order in enumerate(["<u2", ">u2"]):
        save(tmp_path / f"{k}.tif", np.full((8, 8), (k + 1) << 8, order))
    save(tmp_path / "c.png", np.full((8, 8), 5 << 8, np.uint16))
    assert values(tmp_path) == [1, 2, 5, 99] and load(tmp_path).image_shape == (1, 8, 8)
    save(tmp_path / "d.tif", np.full((8, 8), 0.5, np.float32))
    with pytest.raises(
        ValueError, match=r"d.tif: cannot be read as a picture \(its pixels are float32 from 0.5 to 0.5"
    ):
        load(tmp_path)


def test_frames_that_are_not_read_are_counted(tmp_path):
    for k in range(3):
        frames = [Image.fromarray(np.full((6, 5), 10 * k + i, np.uint8)) for i in range(3)]
        frames[0].save(tmp_path / f"{k}.gif", save_all=True, append_images=frames[1:])
    save(tmp_path / "3.png", np.full((6, 5), 30, np.uint8))
    assert values(tmp_path) == [0, 10, 20, 30]
    assert load(tmp_path).notes == ("3 files of several pictures: the first of each is read",)
    for ending in ("png", "tiff"):
        frames[0].save(tmp_path / f"moving.{ending}", save_all=True, append_images=frames[1:])
    assert load(tmp_path).notes == ("5 files of several pictures: the first of each is read",)


def test_files_and_folders_that_are_passed_over_are_counted(tmp_path):
    for k in range(4):
        save(tmp_path / f"{k}.png", X[k])
    for name in ("a.TXT", "b.txt", "c.svg", "noending", "Thumbs.db", ".hidden"):
        (tmp_path / name).write_text("x")
    (tmp_path / "notes").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    assert load(tmp_path).notes == ("4 files passed over (.svg, .txt, no ending)", "1 folder passed over (notes)")
    save(tmp_path / "classes" / "a" / "1.png")
    save(tmp_path / "classes" / "a" / "more" / "1.png")
    save(tmp_path / "classes" / "b" / "1.png")
    assert load(tmp_path / "classes").notes == ("1 folder passed over (a/more)",)


def test_class_folders_that_would_vanish(tmp_path):
    for name in ("ant", "bee", "cat"):
        save(tmp_path / name / "1.png")
    save(tmp_path / "dog" / "1.tif")
    assert load(tmp_path).classes == ("ant", "bee", "cat", "dog")
    save(tmp_path / "aardvark" / "young" / "1.png")
    (tmp_path / "bug").mkdir()
    (tmp_path / "cow").mkdir()
    (tmp_path / "cow" / "1.svg").write_text("x")
    message = r"without pictures \(aardvark: the pictures lie deeper, in aardvark/young; bug: empty; cow: .svg\)"
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
    old = load(tmp_path, rules=1)  # as runs of version 0.1.0 have seen it
    assert old.classes == ("ant", "bee", "cat")


def test_pictures_two_folders_down(tmp_path):
    save(tmp_path / "emoji" / "faces" / "happy" / "1.png")
    save(tmp_path / "emoji" / "faces" / "sad" / "1.png")
    with pytest.raises(ValueError, match=r"they lie deeper, in faces/happy: name .*emoji/faces, the folder that holds"):
        load(tmp_path / "emoji")
    assert load(tmp_path / "emoji" / "faces").classes == ("happy", "sad")
    (tmp_path / "other" / "docs").mkdir(parents=True)
    (tmp_path / "other" / "docs" / "a.pdf").write_text("x")
    with pytest.raises(ValueError, match=r"other: holds no pictures .*; the files in it end in .pdf"):
        load(tmp_path / "other")


def test_classes_in_file_names_are_pointed_out(tmp_path):
    for k in range(4):
        save(tmp_path / f"{'cat' if k % 2 else 'dog'}.{k}.png", X[k])
    data = load(tmp_path)
    assert data.labels is None
    assert data.notes == ("no labels: for classes, put the files into folders of the names they begin with (cat, dog)",)
    save(tmp_path / "img1.png", X[5])  # a name of its own: no rule to be seen
    assert load(tmp_path).notes == ()


def test_one_colour_picture_in_the_other_split_makes_both_colour(tmp_path):
    for k in range(3):
        save(tmp_path / "train" / f"{k}.png", X[k])
    save(tmp_path / "test" / "0.png", np.stack([X[0]] * 3, -1))
    (tmp_path / "extra").mkdir()
    assert load(tmp_path).image_shape == load(tmp_path, split="test").image_shape == (3, 6, 5)
    assert load(tmp_path).notes == ("passed over beside train and test: extra",)


def test_a_broken_link_and_a_folder_with_the_name_of_a_picture(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "folder.png").mkdir()
    assert len(load(tmp_path)) == 1
    (tmp_path / "c.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(ValueError, match=r"c.png: cannot be read \(No such file"):
        load(tmp_path)


NAMES = st.text("ab1-. é", min_size=1, max_size=3).filter(lambda s: s.strip(". ") == s)
ENDINGS = st.sampled_from([".png", ".PNG", ".tif", ".txt", ""])


@settings(max_examples=40)  # each of them writes files
@given(tree=st.dictionaries(NAMES, st.dictionaries(NAMES, ENDINGS, max_size=3), min_size=1, max_size=4))
def test_every_file_of_any_layout_is_read_counted_or_named(tmp_path_factory, tree):
    root = tmp_path_factory.mktemp("layout")
    written, other = 0, 0
    for folder, files in tree.items():
        (root / folder).mkdir()
        for name, ending in files.items():
            path = root / folder / (name + ending)
            if ending.lower() in (".png", ".tif"):
                save(path, X[written])
                written += 1
            else:
                path.write_text("x")
                other += 1
    have = {folder for folder, files in tree.items() if any(e.lower() in (".png", ".tif") for e in files.values())}
    if have != tree.keys() or written < 2:
        with pytest.raises(ValueError, match="without pictures|holds no pictures|at least 2 are needed") as caught:
            load(root)
        missing = sorted(tree.keys() - have)
        assert not have or not missing or all(f"{name}: " in str(caught.value) for name in missing)
        return
    train, test = load(root), load(root, split="test")
    assert sorted(train.classes) == sorted(tree) and len(train) + len(test) == written
    counted = [note for note in train.notes if "passed over" in note]
    assert counted == [] if not other else counted[0].startswith(f"{other} file{'s' * (other > 1)} passed over")
