const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const BIG_ENDIAN = 0x377f0683;
const LITTLE_ENDIAN = 0x377f0682;

type Sums = readonly [number, number];

/**
 * Does SQLite's log hold a transaction that SQLite would not play? A log that merely ends early does not:
 * that is how a process that was killed leaves it. Supposes a log that was never written over, only
 * truncated. https://sqlite.org/fileformat2.html#the_write_ahead_log
 */
export function isLogDamaged(log: Buffer, pageBytes: number): boolean {
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  const frames = Math.floor((log.length - HEADER_BYTES) / frameBytes);
  if (frames < 1) return false;
  let sums = checkHeader(log, pageBytes);
  for (let index = 0; index < frames; index += 1) {
    const frame = log.subarray(HEADER_BYTES + index * frameBytes).subarray(0, frameBytes);
    if (sums !== null) sums = checkFrame(log, frame, sums);
    if (sums === null && isCommit(frame)) return true;
  }
  return false;
}

/** The sums so far; null: not a header. */
function checkHeader(log: Buffer, pageBytes: number): Sums | null {
  const magic = log.readUInt32BE(0);
  if ((magic !== BIG_ENDIAN && magic !== LITTLE_ENDIAN) || log.readUInt32BE(8) !== pageBytes) return null;
  return matching(addSums(log.subarray(0, 24), [0, 0], magic), log, 24);
}

function checkFrame(log: Buffer, frame: Buffer, before: Sums): Sums | null {
  if (frame.compare(log, 16, 24, 8, 16) !== 0) return null;
  const magic = log.readUInt32BE(0);
  const ofHead = addSums(frame.subarray(0, 8), before, magic);
  return matching(addSums(frame.subarray(FRAME_HEADER_BYTES), ofHead, magic), frame, 16);
}

function matching(sums: Sums, stored: Buffer, at: number): Sums | null {
  return sums[0] === stored.readUInt32BE(at) && sums[1] === stored.readUInt32BE(at + 4) ? sums : null;
}

function addSums(bytes: Buffer, [first, second]: Sums, magic: number): Sums {
  const read = (at: number): number =>
    magic === BIG_ENDIAN ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + read(at) + second) >>> 0;
    second = (second + read(at + 4) + first) >>> 0;
  }
  return [first, second];
}

/** The last frame of a transaction tells how many pages the database then has. */
function isCommit(frame: Buffer): boolean {
  return frame.readUInt32BE(4) !== 0;
}
