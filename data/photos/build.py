#!/usr/bin/env python3
"""Build data/photos: the free photographs and cut-outs that the small model is trained on.

What it does
    Unpacks six Debian packages, keeps their photographs (and a few paintings), writes them as WebP into
    `photos/` and the objects with a transparent background into `cutouts/`, and writes `credits.csv` with one row
    for every file: its source, author and licence.

Where from
    gcompris-qt-data (photographs of its learning games; Qt resource archives, read here in pure Python),
    tuxpaint-stamps-default (cut-outs), and the wallpapers of lomiri-wallpapers-16.04, lomiri-wallpapers-20.04,
    mate-backgrounds and plasma-workspace-wallpapers, all as in Debian 12. gnome-backgrounds and ukui-wallpapers hold
    only abstract pictures, so nothing is taken from them.

Licences
    Public domain, CC0, CC-BY, CC-BY-SA and GPL, as the README beside each GCompris picture or the package's
    Debian copyright file states; a picture under any other licence, or under none that can be found, is skipped and
    reported.

Held-out pictures
    data/samples (it must be there before) and the 20 ImageNet photographs of the PyPI package foolbox are for tests:
    a picture that looks like one of them, or that data/samples/credits.csv names as a source, is skipped.

Usage (Debian or a derivative, Pillow installed)
    python3 data/photos/build.py                    # apt-get download the packages into a temporary folder
    python3 data/photos/build.py --packages DIR     # DIR/<package>/ holds the packages, already unpacked (dpkg -x)
    python3 data/photos/build.py --check            # only compare the written photos with the held-out pictures
"""
import argparse
import csv
import fnmatch
import gzip
import importlib.util
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PACKAGES = ("gcompris-qt-data", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "mate-backgrounds",
            "plasma-workspace-wallpapers", "tuxpaint-stamps-default")
FIELDS = ("file", "kind", "title", "package", "version", "author", "licence")
ACCEPTED = re.compile(r"^(public[ -]domain|cc0|cc-by(-sa)?[- ]?\d|gpl)", re.I)
WALLPAPER_SIDE, PHOTO_SIDE, CUTOUT_SIDE = 512, 320, 224  # px: shorter, shorter and longer side
SMALLEST = 48       # px: the longer side of the smallest cut-out
TILED_WIDTH = 2500  # wallpapers at least this wide also give up to four tiles
SAME = 40           # of 256 bits: two pictures whose hashes differ in fewer are the same picture

# GCompris folders (inside src/activities/ of the archives) and the names that are no photographs there
GCOMPRIS_PHOTOS = (
    "categorization/resource/images/fishes/*", "categorization/resource/images/monuments/*",
    "categorization/resource/images/others/*", "categorization/resource/images/renewable/*",
    "categorization/resource/images/tools/*", "clickgame/resource/sea*", "details/resource/image/*_background*",
    "erase/resource/*", "explore_farm_animals/resource/animals/*", "explore_monuments/resource/*",
    "explore_world_animals/resource/animals/*", "explore_world_music/resource/music/*", "louis-braille/resource/*")
GCOMPRIS_CUTOUTS = ("clickgame/resource/*", "leftright/resource/*", "solar_system/resource/*",
                    "babyshapes/resource/image/*")
GCOMPRIS_DROP = ("*/chart.*", "*/louis.*", "*/night_printing.*", "*/teeth.*", "*/sea?.*_cutout", "*_backg*_cutout",
                 "*/Pieter_Bruegel_fill.*_cutout")

# wallpapers that are photographs or rich paintings: the rest are gradients, logos and renderings
WALLPAPERS = {
    "lomiri-wallpapers-16.04": ("Bridge*", "Dragonfly*", "Picture*", "Wine*", "aitzgorri*", "analogpattern*", "free*",
                                "friends*", "greentock*", "life*", "picosdeeuropa*", "seeding*", "sunset*"),
    "lomiri-wallpapers-20.04": ("Infinite-Sea*", "Kleiber*"),
    "mate-backgrounds": ("abstract/Elephants_5640*", "nature/*"),
    "plasma-workspace-wallpapers": (
        "Altai/*/5120*", "Autumn/*", "BytheWater/*", "ColdRipple/*", "ColorfulCups/*", "DarkestHour/*",
        "EveningGlow/*", "FallenLeaf/*", "Grey/*", "Kite/*", "OneStandsOut/*", "Path/*", "SafeLanding/*/5120*",
        "Volna/*", "summer_1am/*"),
}

# Tux Paint stamps: folders and names that are drawings, symbols or too small
STAMPS_DROP = (
    "symbols/*", "*/cartoon/*", "*/flags/*", "*/roadsigns/*", "*_mirror.png", "*_flip.png", "clothes/hats/*",
    "clothes/t_*", "clothes/button*", "*/hedgehog.png", "*/echidna.png", "*/pizza.png", "*/tooth.png", "*/eye.png",
    "seasonal/easter/*", "seasonal/hanukkah/*", "seasonal/newyears/party*", "seasonal/newyears/confetti*",
    "seasonal/halloween/bat*", "seasonal/halloween/blackcat*", "seasonal/halloween/ghost*",
    "seasonal/halloween/skull*", "seasonal/halloween/spider*", "seasonal/halloween/jack*",
    "seasonal/christmas/Santa*", "seasonal/christmas/santa*", "seasonal/christmas/bow*",
    "seasonal/christmas/candy_cane*", "seasonal/christmas/hard_candy*", "seasonal/christmas/lamp*",
    "seasonal/christmas/star*", "seasonal/christmas/stocking*", "seasonal/christmas/tree*",
    "seasonal/christmas/xmas_tp*", "*/inukshuk-outline.png", "*/rugby_goal_posts.png", "naturalforces/*",
    "household/electronics/mouse_cursor*", "*/clothespin*", "military/ammunition/*", "*/sedan_police.png")


# ---- reading the packages -------------------------------------------------------------------------------------------

def qt_resources(blob):
    "Yield (path, bytes) for every file of a Qt resource archive (.rcc, formats 1 to 3)."
    magic, version, tree, data, names = struct.unpack(">4s4I", blob[:20])
    if magic != b"qres" or version not in (1, 2, 3):
        raise ValueError(f"not a Qt resource archive of format 1 to 3: {magic!r}, format {version}")
    entry = 14 if version == 1 else 22

    def name(at):
        length, = struct.unpack_from(">H", blob, names + at)
        return blob[names + at + 6:names + at + 6 + 2 * length].decode("utf-16-be")

    def walk(node, folder):
        at = tree + node * entry
        label, flags = struct.unpack_from(">IH", blob, at)
        path = folder + [name(label)] if node else folder
        if flags & 2:  # a folder: its children are consecutive nodes
            count, first = struct.unpack_from(">II", blob, at + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        where = data + struct.unpack_from(">I", blob, at + 10)[0]
        size, = struct.unpack_from(">I", blob, where)
        content = blob[where + 4:where + 4 + size]
        if flags & 4:
            import zstandard  # rare; not in the standard library before Python 3.14
            content = zstandard.ZstdDecompressor().decompress(content)
        elif flags & 1:
            content = zlib.decompress(content[4:])  # four bytes of uncompressed size come first
        yield "/".join(path), content

    return walk(0, [])


def readme_credits(text):
    "Map file name -> (author, licence, source) from the README beside GCompris' pictures."
    found = {}
    for block in re.split(r"\n\s*\n", text):
        values, key = {}, None
        for line in block.splitlines():
            field = re.match(r"\s*(Copyright|Licen[sc]e|Source|Comments?|Files):?\s*(.*)", line)
            if field and not line.startswith("  "):
                key = "License" if field[1].startswith("Licen") else field[1]
                values[key] = field[2].strip()
            elif key and line.strip():
                values[key] = f"{values[key]} {line.strip()}".strip()
        author = re.sub(r"\s*\bCopyright\b\s*", " ", values.get("Copyright", "")).strip()
        source = values.get("Source") or values.get("Comment", "")
        licence = re.sub(r"\s+\S+\.(webp|png|jpg).*", "", values.get("License", ""))
        for file in re.findall(r"[\w/().-]+\.(?:webp|png|jpg)(?=\s|$)", block):
            found[file] = (author, licence, re.sub(r"\s+\S+\.webp.*", "", source))
    return found


def debian_credits(root, package, path):
    "(author, licence) that the package's Debian copyright file states for a file; (\"\", \"\") where it states none."
    text = (root / "usr/share/doc" / package / "copyright").read_text(encoding="utf-8")
    found = ("", "")
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict((k, " ".join(v.split())) for k, v in re.findall(r"^(\S+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M))
        patterns = ["*" + re.sub(r"^\d\d\.\d\d/", "", p) for p in fields.get("Files", "").split()]
        if matches(path, patterns):
            found = fields.get("Copyright", ""), fields.get("License", "")  # the last stanza that matches counts
    return found


def version(root, package):
    "The package's version, from the first line of its Debian changelog."
    with gzip.open(root / "usr/share/doc" / package / "changelog.Debian.gz", "rt", encoding="utf-8") as log:
        return re.search(r"\((.*?)\)", log.readline())[1]


def unpack(folder):
    "Download the Debian packages and unpack each into folder/<package>."
    for package in PACKAGES:
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
        archive, = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", archive, folder / package], check=True)


# ---- the pictures of each package: (kind, name, title, package, author, licence, image) -----------------------------

def matches(path, patterns):
    "Whether a path matches one of the shell patterns."
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def gcompris(root):
    "Photographs and cut-outs in GCompris' resource archives."
    files = {}
    for archive in sorted((root / "usr/share/gcompris-qt/rcc").glob("*.rcc")):
        files.update(qt_resources(archive.read_bytes()))
    activities = {p.split("src/activities/")[1]: c for p, c in files.items() if "src/activities/" in p}
    for path in sorted(activities):
        if not path.endswith((".webp", ".png", ".jpg")):
            continue
        kind = "photo" if matches(path, GCOMPRIS_PHOTOS) else "cutout"
        if kind == "cutout" and not matches(path, GCOMPRIS_CUTOUTS):
            continue
        if matches(path, GCOMPRIS_DROP) or matches(path + "_cutout", GCOMPRIS_DROP) and kind == "cutout":
            continue
        credit = ("", "", "")
        for folder in reversed(Path(path).parents):  # the README is beside the picture or in a folder above it
            readme = activities.get(f"{folder}/README")
            if readme:
                listed = readme_credits(readme.decode("utf-8"))
                credit = listed.get(str(Path(path).relative_to(folder)), listed.get(Path(path).name, credit))
        author, licence, source = credit
        image = Image.open(io.BytesIO(activities[path]))
        if path.startswith("clickgame") and kind == "cutout":  # two animation frames side by side
            image = image.crop((0, 0, image.width // 2, image.height))
        folder = path.split("/")[0] if "categorization" not in path else path.split("/")[-2]
        yield kind, f"gcompris-{folder}-{Path(path).stem}", source or path, author, licence, image


def wallpapers(root, package):
    "Photographs among a package's wallpapers."
    for path in sorted((root / "usr/share").rglob("*")):
        inside = str(path.relative_to(root / "usr/share"))
        wanted = any(fnmatch.fnmatch(inside, f"*/{p}") for p in WALLPAPERS[package])
        if (not wanted or path.is_symlink() or "screenshot" in inside
                or path.suffix.lower() not in (".jpg", ".png", ".webp")):
            continue
        author, licence = debian_credits(root, package, inside)
        stem = path.stem
        if package.startswith("plasma"):
            stem = inside.split("/")[1]
            author, licence = plasma_credits(path.parents[2], author, licence)
        yield "wallpaper", f"{package.split('-')[0]}-{stem}", inside, author, licence, Image.open(path)


def plasma_credits(folder, author, licence):
    "A Plasma wallpaper's own author and licence; the Debian copyright file's licence where its own is not accepted."
    if (folder / "metadata.json").exists():
        plugin = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))["KPlugin"]
        own_author, own = ", ".join(a["Name"] for a in plugin["Authors"]), plugin["License"]
    else:
        text = (folder / "metadata.desktop").read_text(encoding="utf-8")
        own_author = re.search(r"^X-KDE-PluginInfo-Author=(.*)", text, re.M)[1]
        own = re.search(r"^X-KDE-PluginInfo-License=(.*)", text, re.M)[1]
    if ACCEPTED.match(own):
        return own_author, own
    return f"{own_author}; {author}", f"{licence} (Debian copyright file; upstream metadata: {own})"


def stamps(root):
    "Cut-outs among Tux Paint's stamps."
    folder = root / "usr/share/tuxpaint/stamps"
    for path in sorted(folder.rglob("*.png")):
        inside = str(path.relative_to(folder))
        if matches(inside, STAMPS_DROP):
            continue
        author, licence = debian_credits(root, "tuxpaint-stamps-default", inside)
        note = path.with_suffix(".txt")
        title = note.read_text(encoding="utf-8").splitlines()[0].strip() if note.exists() else path.stem
        name, author = f"tuxpaint-{path.parent.name}-{path.stem}", f"{author} and contributors"
        yield "cutout", name, f"{title} ({inside})", author, licence, Image.open(path)


# ---- pictures in ----------------------------------------------------------------------------------------------------

def dhash(image):
    "A 256-bit difference hash: is each cell of a 17 x 16 thumbnail brighter than its right neighbour?"
    grey = image.convert("L").resize((17, 16), Image.LANCZOS)
    px = grey.tobytes()
    return sum((px[r * 17 + c] > px[r * 17 + c + 1]) << (r * 16 + c) for r in range(16) for c in range(16))


def hashes(image):
    "Hashes of a picture and of its largest squares (start, middle, end), to find copies cropped so as well."
    side, spare = min(image.size), abs(image.width - image.height)
    squares = [(at, 0) if image.width > image.height else (0, at) for at in (0, spare // 2, spare)]
    return [dhash(image)] + [dhash(image.crop((x, y, x + side, y + side))) for x, y in squares]


def distance(a, b):
    "In how many of 256 bits the most similar hashes of two pictures differ."
    return min(bin(m ^ n).count("1") for m in a for n in b)


def references():
    "The held-out pictures: {set name: list of files}; a set that is not on this machine has an empty list."
    sets = {"data/samples": sorted(p for p in (HERE.parent / "samples").rglob("*")
                                   if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))}
    spec = importlib.util.find_spec("foolbox")
    folder = Path(spec.origin).parent / "data" if spec else None
    sets["foolbox"] = sorted(folder.glob("imagenet_*")) if folder else []
    return sets


def check(photos=HERE / "photos", sets=None):
    "Compare all photos with the held-out sets: {set: (its pictures, nearest distance of 256, photo, picture)}."
    sets = references() if sets is None else sets
    written = {p.name: hashes(Image.open(p)) for p in sorted(Path(photos).glob("*.webp"))}
    report = {}
    for name, files in sets.items():
        held = {p.name: hashes(Image.open(p)) for p in files}
        pairs = ((distance(a, b), f, h) for f, a in written.items() for h, b in held.items())
        report[name] = (len(held), *min(pairs, default=(256, "", "")))
    return report


def shared_sources(folder=HERE, samples=HERE.parent / "samples"):
    "Files of data/photos whose source data/samples/credits.csv names as well: finds any crop, which hashes may not."
    sources = (Path(samples) / "credits.csv").read_text(encoding="utf-8")
    with open(Path(folder) / "credits.csv", newline="", encoding="utf-8") as file:
        return [r["file"] for r in csv.DictReader(file)
                if r["package"] in sources and Path(r["title"].rstrip(")")).name in sources]


def shrink(image, side, shorter=True):
    "Scale so that the shorter (or longer) side is at most `side` pixels; never enlarge."
    scale = side / (min if shorter else max)(image.size)
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.LANCZOS)


def tiles(image):
    "The four quarters of a wide picture, without those that hold next to no detail."
    w, h = image.width // 2, image.height // 2
    for i in range(4):
        tile = image.crop((w * (i % 2), h * (i // 2), w * (i % 2) + w, h * (i // 2) + h))
        grey = tile.convert("L").resize((64, 64), Image.LANCZOS).tobytes()
        if sum(abs(a - b) for a, b in zip(grey, grey[1:])) / len(grey) > 3:  # mean step between neighbours, of 255
            yield i + 1, tile


def cutout(image):
    "The object on its transparent background, cropped to it; None where there is no transparency or little to see."
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    box = alpha.point(lambda a: 255 * (a > 16)).getbbox()
    if box is None or alpha.getextrema()[0] > 16 or max(box[2] - box[0], box[3] - box[1]) < SMALLEST:
        return None
    return shrink(image.crop(box), CUTOUT_SIDE, shorter=False)


def slug(name):
    "A file name of lower-case letters, digits, dots and dashes."
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")


def tidy(licence):
    "One spelling for each licence."
    licence = re.sub(r"(?i)^public domain$", "public domain", licence)
    return re.sub(r"^GPLv(\d)", r"GPL-\1", re.sub(r"^(CC-BY(?:-SA)?) (\d)", r"\1-\2", licence)).replace("  ", " ")


def pictures(folder):
    "All pictures wanted of all packages, as rows for credits.csv with the image."
    for package in PACKAGES:
        root = folder / package
        if not root.is_dir():
            raise FileNotFoundError(f"no folder {root}: unpack the Debian package {package} there (dpkg -x)")
        source = gcompris(root) if package.startswith("gcompris") else (
            stamps(root) if package.startswith("tuxpaint") else wallpapers(root, package))
        release = version(root, package)
        for kind, name, title, author, licence, image in source:
            yield dict(kind=kind, name=slug(name), title=title, package=package, version=release,
                       author=author, licence=tidy(licence)), image


def pieces(row, image):
    "The images to write for one picture: (row, image), tiles of wide wallpapers included."
    if row["kind"] == "cutout":
        image = cutout(image)
        return [(row, image)] if image else []
    image = image.convert("RGB")
    if row["kind"] == "photo":
        return [(row, shrink(image, PHOTO_SIDE))]
    row = dict(row, kind="photo")
    out = [(row, shrink(image, WALLPAPER_SIDE))]
    if image.width >= TILED_WIDTH:
        out += [(dict(row, kind="tile", name=f"{row['name']}-tile{i}"), shrink(t, WALLPAPER_SIDE))
                for i, t in tiles(image)]
    return out


def build(folder, out=HERE):
    "Write photos/, cutouts/ and credits.csv into `out` from the packages unpacked in `folder`."
    sources = (HERE.parent / "samples" / "credits.csv").read_text(encoding="utf-8")  # build data/samples before this
    for kind in ("photos", "cutouts"):
        shutil.rmtree(out / kind, ignore_errors=True)
        (out / kind).mkdir(parents=True)
    held = [(f"{name}: {p.name}", hashes(Image.open(p))) for name, files in references().items() for p in files]
    rows, seen, skipped = [], [], []
    for row, image in pictures(folder):
        if Path(row["title"]).name in sources:
            skipped.append((row["name"], "source of a picture in data/samples"))
            continue
        if not ACCEPTED.match(row["licence"]) or re.search(r"\b(NC|ND)\b", row["licence"]):
            skipped.append((row["name"], f"licence {row['licence'] or 'not found'!r}"))
            continue
        parts = pieces(row, image)
        if not parts:
            skipped.append((row["name"], "no transparency, or too small"))
        for part, picture in parts:
            target = "cutouts" if part["kind"] == "cutout" else "photos"
            if target == "photos":
                mark = hashes(picture)
                same = [n for n, h in held if distance(mark, h) < SAME]
                same += [n for n, h in seen if distance(mark[:1], h[:1]) < SAME]
                if same:
                    skipped.append((part["name"], f"same picture as {same[0]}"))
                    if part["kind"] == "photo":
                        break  # no tiles of it either
                    continue
                seen.append((part["name"], mark))
            part["file"] = f"{target}/{part.pop('name')}.webp"
            if any(r["file"] == part["file"] for r in rows):
                raise ValueError(f"two pictures are called {part['file']}: make their names differ")
            picture.save(out / part["file"], quality=80, method=4)
            rows.append(part)
    with open(out / "credits.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda r: r["file"]))
    return rows, skipped


def report_check():
    "Print the nearest distances to the held-out sets; return 1 if a set is missing or a photo is too near."
    bad = 0
    for name, (count, nearest, photo, picture) in check().items():
        if not count:
            print(f"{name}: not on this machine, nothing compared (pip install foolbox --no-deps; build data/samples)")
        else:
            print(f"{name}: {count} pictures, nearest distance {nearest} of 256 bits ({photo}, {picture})")
        bad |= not count or nearest < SAME
    shared = shared_sources()
    print(f"photos that share a source with data/samples: {len(shared)} {' '.join(shared)}")
    return int(bool(bad or shared))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="folder with the unpacked packages; default: download")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write; default: the folder of this script")
    parser.add_argument("--check", action="store_true", help="only compare the photos with the held-out pictures")
    args = parser.parse_args(argv)
    if args.check:
        return report_check()
    if args.packages:
        rows, skipped = build(args.packages, args.out)
    else:
        with tempfile.TemporaryDirectory() as folder:
            unpack(Path(folder))
            rows, skipped = build(Path(folder), args.out)
    for name, why in skipped:
        print(f"skipped {name}: {why}")
    for kind in ("photo", "tile", "cutout"):
        print(f"{kind}: {sum(r['kind'] == kind for r in rows)}")
    size = sum((args.out / r["file"]).stat().st_size for r in rows)
    print(f"{size / 1e6:.1f} MB")
    return report_check() if args.out.resolve() == HERE else 0


if __name__ == "__main__":
    sys.exit(main())
