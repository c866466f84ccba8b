import { gzipSync } from 'node:zlib';
import type { ImageSize } from './image.header.js';

/** A baseline JPEG of one pixel. */
const ONE_PIXEL = Buffer.from(
  '/9j/2wBDAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQH/wAARCAABAAEDASIA' +
    'AhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAv/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAAAP/EABQRAQAAAAAA' +
    'AAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AL+AAf/Z',
  'base64',
);

/** A JPEG whose header names this size; equal labels make equal bytes, others others. */
export function sampleJpeg({ width, height }: ImageSize, label: string): Buffer {
  const image = Buffer.from(ONE_PIXEL);
  const frame = image.indexOf(Buffer.from('ffc0', 'hex'));
  image.writeUInt16BE(height, frame + 5);
  image.writeUInt16BE(width, frame + 7);
  const comment = Buffer.from(label);
  const header = Buffer.from([0xff, 0xfe, (comment.length + 2) >> 8, (comment.length + 2) & 0xff]);
  return Buffer.concat([image.subarray(0, 2), header, comment, image.subarray(2)]);
}

/** A WebP file of 512 × 512 with nothing drawn. */
export function sampleWebp(label: string): Buffer {
  const size = Buffer.from([0, 0, 0, 0, 0xff, 0x01, 0x00, 0xff, 0x01, 0x00]);
  return Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0', 'latin1'), size, Buffer.from(label)]);
}

/** An animated sticker: Lottie JSON in gzip, 512 × 512, one second of nothing. */
export function sampleTgs(label: string): Buffer {
  return gzipSync(JSON.stringify({ tgs: 1, v: '5.5.2', fr: 60, ip: 0, op: 60, w: 512, h: 512, nm: label, layers: [] }));
}

/** The beginning of an MPEG-4, WebM or Ogg file; nothing plays them, but their kind can be told. */
export const sampleMp4 = (label: string) => Buffer.from(`\0\0\0\x18ftypmp42\0\0\0\0mp42isom${label}`, 'latin1');
export const sampleWebm = (label: string) => Buffer.concat([Buffer.from('1a45dfa3', 'hex'), Buffer.from(label)]);
export const sampleOgg = (label: string) => Buffer.from(`OggS\0\x02\0\0\0\0\0\0\0\0OpusHead\x01\x01${label}`, 'latin1');
export const sampleMp3 = (label: string) => Buffer.from(`ID3\x04\0\0\0\0\0\0${label}`, 'latin1');
