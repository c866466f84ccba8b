export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Pixels of a JPEG, PNG, GIF or WebP image as its header names them; `undefined` when it is none of them. */
export function readImageSize(head: Buffer): ImageSize | undefined {
  try {
    return readPng(head) ?? readGif(head) ?? readWebp(head) ?? readJpeg(head);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readPng(head: Buffer): ImageSize | undefined {
  if (head.toString('latin1', 1, 4) !== 'PNG') return undefined;
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
}

function readGif(head: Buffer): ImageSize | undefined {
  if (!/^GIF8[79]a/.test(head.toString('latin1', 0, 6))) return undefined;
  return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
}

/** developers.google.com/speed/webp/docs/riff_container: extended, lossless and lossy files differ. */
function readWebp(head: Buffer): ImageSize | undefined {
  if (head.toString('latin1', 0, 4) !== 'RIFF' || head.toString('latin1', 8, 12) !== 'WEBP') return undefined;
  const kind = head.toString('latin1', 12, 16);
  if (kind === 'VP8X') return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
  if (kind === 'VP8 ') return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
  const bits = head.readUInt32LE(21);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

/** The size stands in the frame header (SOF), behind the segments that come before it. */
function readJpeg(head: Buffer): ImageSize | undefined {
  if (head.toString('hex', 0, 2) !== 'ffd8') return undefined;
  for (let at = 2; ; at += 2 + head.readUInt16BE(at + 2)) {
    const marker = head.readUInt8(at + 1);
    if (isFrameHeader(marker)) return { width: head.readUInt16BE(at + 7), height: head.readUInt16BE(at + 5) };
  }
}

const isFrameHeader = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
