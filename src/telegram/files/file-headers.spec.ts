import { expect, it } from 'vitest';
import { contentDisposition, contentType } from './file-headers.js';

it.each([
  ['image/jpeg', 'a.png', 'image/jpeg'],
  [null, 'A.PDF', 'application/pdf'],
  ['not a type', 'song.mp3', 'audio/mpeg'],
  [null, 'unknown', 'application/octet-stream'],
  ['text/html', 'page.html', 'application/octet-stream'],
  ['TEXT/HTML', 'page.pdf', 'application/octet-stream'],
  ['text/html; charset=utf-8', 'page', 'application/octet-stream'],
  ['application/xhtml+xml', 'page.xhtml', 'application/octet-stream'],
  ['image/svg+xml', 'a.svg', 'application/octet-stream'],
  ['text/javascript', 'a.js', 'application/octet-stream'],
  [
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'a.docx',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ],
])('%s, %s: %s', (mime, name, type) => expect(contentType(mime, name)).toBe(type));

it.each([
  ['a.pdf', `attachment; filename="a.pdf"; filename*=UTF-8''a.pdf`],
  ["it's (1).pdf", `attachment; filename="it's (1).pdf"; filename*=UTF-8''it%27s%20%281%29.pdf`],
  ['"50%".txt', `attachment; filename="_50__.txt"; filename*=UTF-8''%2250%25%22.txt`],
  ['a\r\nSet-Cookie: x', `attachment; filename="a__Set-Cookie: x"; filename*=UTF-8''a__Set-Cookie%3A%20x`],
  ['../../etc/passwd', `attachment; filename=".._.._etc_passwd"; filename*=UTF-8''.._.._etc_passwd`],
  ['😀\ud800', `attachment; filename="__"; filename*=UTF-8''%F0%9F%98%80%EF%BF%BD`],
  ['', `attachment; filename="file"; filename*=UTF-8''file`],
])('%j is offered to be saved under its name', (name, header) => expect(contentDisposition(name)).toBe(header));
