//! A disk that keeps, through a power cut, what was flushed, and of the rest whatever it likes.
//!
//! A real ext4 lies on a loop device over a file that we serve by FUSE. What the kernel writes is volatile until it asks
//! for a flush, as in a drive's cache or a card's controller; the cut keeps a random part of the 512-byte sectors that
//! were not flushed, each in one of the versions it had since. From the cut on the disk answers with I/O errors.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    WriteFlags,
};
use tempfile::TempDir;

use crate::Outcome;
use crate::process::system;
use crate::random::Random;

/// Mount options in turn: as ext4 comes, and with less help from it for programs that forget to sync.
pub(crate) const EXT4: [&str; 3] = ["data=ordered", "data=ordered,noauto_da_alloc", "data=writeback,noauto_da_alloc"];

/// Bytes of the disk: room for a journal and a small queue.
const SIZE: u64 = 24 << 20;
const SECTOR: usize = 512;

/// What is on a disk without power.
#[derive(Clone)]
pub(crate) struct Image(Vec<u8>);

impl Image {
    /// An empty ext4.
    pub(crate) fn formatted() -> Outcome<Self> {
        Self::of_size(SIZE)
    }

    /// An empty ext4 of so many bytes.
    pub(crate) fn of_size(size: u64) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("image");
        fs::File::create(&path)?.set_len(size)?;
        let path = path.to_string_lossy();
        let whole = "lazy_itable_init=0,lazy_journal_init=0";
        system("mkfs.ext4", &["-q", "-F", "-b", "4096", "-J", "size=4", "-E", whole, &path])?;
        Ok(Self(fs::read(&*path)?))
    }

    /// Writes it to a file, for `mount -o loop`.
    pub(crate) fn keep(&self, path: &Path) -> std::io::Result<()> {
        fs::write(path, &self.0)
    }
}

/// What the kernel asked of a disk.
pub(crate) enum Asked {
    /// Bytes at an offset; volatile.
    Write(usize, Vec<u8>),
    /// What was written is to be durable.
    Flush,
}

/// What a power cut may leave of a disk, being made up.
#[derive(Clone)]
pub(crate) struct Left(Vec<u8>);

impl Left {
    /// What was on it when it was switched on.
    pub(crate) fn of(image: &Image) -> Self {
        Self(image.0.clone())
    }

    pub(crate) fn image(self) -> Image {
        Image(self.0)
    }

    /// And all of these writes.
    pub(crate) fn all_of(&mut self, asked: &[Asked]) {
        asked.iter().for_each(|asked| asked.parts().for_each(|(offset, data)| self.put(offset, data)));
    }

    /// And of these writes none, all, the first, some, or some of their sectors.
    pub(crate) fn some_of(&self, asked: &[Asked], random: &mut Random) -> Self {
        let (mut left, kept) = (self.clone(), 1 + random.below(99));
        let way = random.below(7);
        let first = asked.len() * kept as usize / 100;
        for (n, asked) in asked.iter().enumerate() {
            let whole = match way {
                0 => false,
                1 => true,
                2 => n < first,
                _ => random.chance(kept),
            };
            for (offset, data) in asked.parts() {
                // Torn, ext4's superblock has the wrong checksum and nothing is mounted: that is not what this is about.
                if if way > 4 && offset >= 4_096 { random.chance(kept) } else { whole } {
                    left.put(offset, data);
                }
            }
        }
        left
    }

    fn put(&mut self, offset: usize, data: &[u8]) {
        self.0[offset..][..data.len()].copy_from_slice(data);
    }
}

impl Asked {
    /// Whether one of the blocks it writes begins like this.
    pub(crate) fn begins_with(&self, bytes: &[u8]) -> bool {
        matches!(self, Self::Write(_, data) if data.chunks(4_096).any(|block| block.starts_with(bytes)))
    }

    /// By sectors.
    fn parts(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let (offset, data) = match self {
            Self::Write(offset, data) => (*offset, &data[..]),
            Self::Flush => (0, &[][..]),
        };
        data.chunks(SECTOR).enumerate().map(move |(n, part)| (offset + n * SECTOR, part))
    }
}

/// A disk with power, and the file system on it.
pub(crate) struct Disk {
    platter: Arc<Mutex<Platter>>,
    folder: TempDir,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Power on: the journal is replayed, the file system is there.
    pub(crate) fn boot(image: Image, options: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let (device, files) = (folder.path().join("device"), folder.path().join("files"));
        fs::create_dir(&device)?;
        fs::create_dir(&files)?;
        let platter = Arc::new(Mutex::new(Platter::new(image)));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("campaign".into())];
        let session = fuser::spawn_mount(Served(Arc::clone(&platter)), &device, &config)
            .map_err(|error| format!("FUSE cannot be mounted: {error}"))?;
        let disk = Self { platter, folder, session: Some(session) };
        let (device, files) = (device.join(NAME), disk.files());
        let options = format!("loop,{options}");
        system("mount", &["-t", "ext4", "-o", &options, &device.to_string_lossy(), &files.to_string_lossy()])?;
        Ok(disk)
    }

    /// Where its files are.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The power goes, now. What is left.
    pub(crate) fn cut(&self, random: &mut Random) -> Image {
        let mut platter = self.platter();
        platter.broken = true;
        let kept = match random.below(4) {
            0 => 0,
            1 => 100,
            _ => random.below(100),
        };
        let mut left = platter.durable.clone();
        for (sector, versions) in &platter.volatile {
            if random.chance(kept) {
                let version = &versions[random.below(versions.len() as u64) as usize];
                left[sector * SECTOR..][..SECTOR].copy_from_slice(version);
            }
        }
        Image(left)
    }

    /// All that was asked of it since it was switched on.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.platter().asked)
    }

    /// As whoever is on the machine sees it.
    pub(crate) fn now(&self) -> Image {
        Image(self.platter().current.clone())
    }

    /// From now on every write and flush fails, or none.
    pub(crate) fn fail(&self, failing: bool) {
        self.platter().broken = failing;
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        lock(&self.platter)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let lazily = |path: &Path| _ = system("umount", &["-l", &path.to_string_lossy()]);
        lazily(&self.files());
        lazily(&self.folder.path().join("device"));
        // Its thread ends with the connection, when the kernel lets go of the loop device.
        drop(self.session.take());
    }
}

fn lock(platter: &Mutex<Platter>) -> MutexGuard<'_, Platter> {
    platter.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Platter {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// What was written since the last flush, by sector, oldest first.
    volatile: BTreeMap<usize, Vec<[u8; SECTOR]>>,
    broken: bool,
    asked: Vec<Asked>,
}

impl Platter {
    fn new(image: Image) -> Self {
        let current = image.0.clone();
        Self { current, durable: image.0, volatile: BTreeMap::new(), broken: false, asked: Vec::new() }
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        self.asked.push(Asked::Write(offset, data.to_vec()));
        self.current[offset..][..data.len()].copy_from_slice(data);
        for sector in offset / SECTOR..(offset + data.len()).div_ceil(SECTOR) {
            let mut version = [0; SECTOR];
            version.copy_from_slice(&self.current[sector * SECTOR..][..SECTOR]);
            self.volatile.entry(sector).or_default().push(version);
        }
    }

    fn flush(&mut self) {
        self.asked.push(Asked::Flush);
        for (sector, versions) in std::mem::take(&mut self.volatile) {
            if let Some(last) = versions.last() {
                self.durable[sector * SECTOR..][..SECTOR].copy_from_slice(last);
            }
        }
    }
}

/// The one file of the FUSE file system.
const NAME: &str = "disk";
const DISK: INodeNo = INodeNo(2);
const FOR_EVER: Duration = Duration::from_secs(3_600);

struct Served(Arc<Mutex<Platter>>);

impl Filesystem for Served {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&FOR_EVER, &self.attributes(DISK), Generation(0))
        } else {
            reply.error(Errno::ENOENT)
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOR_EVER, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let platter = lock(&self.0);
        let start = (offset as usize).min(platter.current.len());
        let end = (start + size as usize).min(platter.current.len());
        reply.data(&platter.current[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut platter = lock(&self.0);
        let offset = offset as usize;
        if platter.broken || offset + data.len() > platter.current.len() {
            return reply.error(Errno::EIO);
        }
        platter.write(offset, data);
        reply.written(data.len() as u32);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok(); // somebody closed the file: a disk does not notice
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut platter = lock(&self.0);
        if platter.broken {
            return reply.error(Errno::EIO);
        }
        platter.flush();
        reply.ok();
    }
}

impl Served {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let size = lock(&self.0).current.len() as u64;
        attributes(inode, size)
    }
}

fn attributes(inode: INodeNo, size: u64) -> FileAttr {
    let is_disk = inode == DISK;
    FileAttr {
        ino: inode,
        size: if is_disk { size } else { 0 },
        blocks: size / SECTOR as u64,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if is_disk { FileType::RegularFile } else { FileType::Directory },
        perm: if is_disk { 0o600 } else { 0o700 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4_096,
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_what_was_flushed_and_no_more_than_was_written() {
        let mut platter = Platter::new(Image(vec![0; 4 * SECTOR]));
        platter.write(0, &[1; SECTOR]);
        platter.flush();
        platter.write(0, &[2; 2 * SECTOR]);
        platter.write(0, &[3; SECTOR / 2]);
        assert_eq!(platter.durable[..SECTOR + 1], [&[1; SECTOR][..], &[0]].concat());
        assert_eq!(platter.volatile[&0].len(), 2);
        assert_eq!((platter.volatile[&0][1][0], platter.volatile[&0][1][SECTOR - 1]), (3, 2));
        platter.flush();
        assert_eq!(platter.durable, platter.current);
        assert!(platter.volatile.is_empty());
    }
}
