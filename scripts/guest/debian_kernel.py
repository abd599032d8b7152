"""Debian's own kernels, fetched and unpacked: nothing is installed, and the host's apt configuration stays as it is."""

import pathlib
import shutil
import subprocess

# Debian has a kernel where one of these holds it, at the version number its newest package stands for.
SUITES = {
    "6.1": ["debian bookworm", "debian-security bookworm-security"],
    "6.12": ["debian bookworm-backports"],
}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What it takes to see the host's files; see boot.
BOOT_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay"]


class Unavailable(Exception):
    """Debian does not hand the kernel out; the text says why."""


def output(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout


class Archive:
    """Debian's archive, by a configuration and lists of its own in a folder."""

    def __init__(self, folder, suites):
        self.folder = folder
        self.suites = suites
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        lines = [f"deb [signed-by={KEYRING}] http://deb.debian.org/{suite} main\n" for suite in suites]
        (folder / "sources.list").write_text("".join(lines))

    def apt(self, program, *arguments):
        options = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Retries": 3,
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        done = subprocess.run([program, *words, *arguments], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"{program} {' '.join(arguments)}: {' '.join(done.stderr.split())}")
        return done.stdout

    def kernel_package(self):
        """What linux-image-amd64 stands for today: linux-image-6.1.0-56-amd64."""
        self.apt("apt-get", "update", "-q")
        for line in self.apt("apt-cache", "depends", "linux-image-amd64").splitlines():
            if line.strip().startswith("Depends: linux-image-"):
                return line.split()[1]
        raise Unavailable(f"linux-image-amd64 is not in {', '.join(self.suites)}")

    def download(self, package):
        self.apt("apt-get", "download", "-q", package)
        return next(self.folder.glob(f"{package}_*.deb"))


class DebianKernel:
    """One kernel, unpacked. `release` is its name as uname says it."""

    def __init__(self, folder):
        self.folder = folder
        self.release = folder.name
        self.image = folder / "boot" / f"vmlinuz-{self.release}"
        self.modules = folder / "lib/modules" / self.release

    @classmethod
    def obtain(cls, version, folder):
        """The one in the folder; where there is none, Debian's newest, which then is. Raises Unavailable."""
        stored = sorted((folder / f"kernel-{version}").glob("*/.complete"))
        return cls(stored[-1].parent) if stored else cls.fetch(version, folder)

    @classmethod
    def fetch(cls, version, folder):
        print(f"==> fetching Debian's kernel {version}", flush=True)
        archive = Archive(folder / f"apt-{version}", SUITES[version])
        package = archive.kernel_package()
        kernel = cls(folder / f"kernel-{version}" / package.removeprefix("linux-image-"))
        kernel.unpack(archive.download(package))
        shutil.rmtree(archive.folder)
        return kernel

    def unpack(self, package):
        self.folder.mkdir(parents=True, exist_ok=True)
        output("dpkg-deb", "--extract", package, self.folder)
        output("depmod", "--basedir", self.folder, self.release)
        (self.folder / ".complete").touch()

    def boot_modules(self):
        """(name, bytes) of each, after those it needs."""
        choice = ["--dirname", self.folder, "--set-version", self.release]
        listed = output("modprobe", *choice, "--show-depends", "--all", *BOOT_MODULES).decode()
        files = [line.split()[1] for line in listed.splitlines() if line.startswith("insmod ")]
        for file in map(pathlib.Path, dict.fromkeys(files)):
            yield file.name.removesuffix(".xz"), output("xz", "-dc", file) if file.suffix == ".xz" else file.read_bytes()
