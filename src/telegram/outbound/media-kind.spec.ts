import { describe, expect, it } from 'vitest';
import { fallbackOf, mediaKindOf, PHOTO_LIMIT, type MediaKind } from './media-kind.js';

describe('how a file is sent', () => {
  it.each<[string, string, string | null, MediaKind]>([
    ['photo', 'a.jpg', 'image/jpeg', 'photo'],
    ['photo', 'a.webp', 'image/webp', 'photo'],
    ['photo', 'a.gif', 'image/gif', 'animation'],
    ['photo', 'a.heic', 'image/heic', 'document'],
    ['photo', 'a.svg', 'image/svg+xml', 'document'],
    ['video', 'a.mp4', 'video/mp4', 'video'],
    ['video', 'a.mov', 'video/quicktime', 'video'],
    ['video', 'a.avi', 'video/x-msvideo', 'document'],
    ['audio', 'a.ogg', 'audio/ogg', 'voice'],
    ['audio', 'a.mp3', 'audio/mpeg', 'audio'],
    ['audio', 'a.m4a', 'audio/x-m4a', 'audio'],
    ['audio', 'a.wav', 'audio/wav', 'document'],
    ['document', 'a.opus', null, 'voice'],
    ['document', 'A.PNG', 'application/octet-stream', 'photo'],
    ['document', 'offer.pdf', 'application/pdf', 'document'],
    ['photo', 'picture', null, 'photo'],
    ['photo', 'drawing.psd', null, 'document'],
    ['document', 'noname', null, 'document'],
  ])('%s %s (%s) is sent as %s', (kind, name, mime, sentAs) => {
    expect(mediaKindOf({ kind, name, mime, size: 1000 })).toBe(sentAs);
  });

  it('is a document when the picture is too large for a photo', () => {
    const photo = { kind: 'photo', name: 'a.jpg', mime: 'image/jpeg' };
    expect(mediaKindOf({ ...photo, size: PHOTO_LIMIT })).toBe('photo');
    expect(mediaKindOf({ ...photo, size: PHOTO_LIMIT + 1 })).toBe('document');
  });

  it('falls back to a document at last', () => {
    for (const first of ['photo', 'video', 'animation', 'voice', 'audio', 'document'] as const) {
      const chain: MediaKind[] = [];
      for (let kind: MediaKind | null = first; kind; kind = fallbackOf(kind)) chain.push(kind);
      expect(chain.at(-1)).toBe('document');
      expect(new Set(chain).size).toBe(chain.length);
    }
    expect(fallbackOf('voice')).toBe('audio');
  });
});
