import { expect, it } from 'vitest';
import { requestBody, Upload } from './request-body.js';

const upload = (words: string, name = 'a.txt') =>
  new Upload(
    async function* () {
      for (const letter of words) yield Buffer.from(letter);
    },
    Buffer.byteLength(words),
    name,
  );

async function written(params: object): Promise<{ length: string; text: string; boundary: string }> {
  const { headers, body } = requestBody(params);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  expect(headers['content-length']).toBe(String(bytes.length));
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type']!)![1]!;
  return { length: headers['content-length']!, text: bytes.toString(), boundary };
}

it('is JSON without files; what is null or undefined is left out', () => {
  const { headers, body } = requestBody({
    chat_id: 1,
    text: 'да',
    entities: [],
    a: null,
    b: undefined,
    c: { d: null },
  });
  expect(headers).toEqual({ 'content-type': 'application/json' });
  expect(JSON.parse(body as string)).toEqual({ chat_id: 1, text: 'да', entities: [], c: {} });
});

it('is a form of a known length with files', async () => {
  const { text, boundary } = await written({
    chat_id: 1,
    caption: 'a "caption"',
    caption_entities: [{ type: 'bold', offset: 0, length: 1 }],
    document: upload('слова', 'имя файла.txt'),
    reply_parameters: null,
  });
  expect(text.split(`--${boundary}`)).toEqual([
    '',
    '\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n1\r\n',
    '\r\nContent-Disposition: form-data; name="caption"\r\n\r\na "caption"\r\n',
    '\r\nContent-Disposition: form-data; name="caption_entities"\r\n\r\n[{"type":"bold","offset":0,"length":1}]\r\n',
    '\r\nContent-Disposition: form-data; name="document"\r\n\r\nattach://0\r\n',
    '\r\nContent-Disposition: form-data; name="0"; filename="имя файла.txt"\r\n' +
      'Content-Type: application/octet-stream\r\n\r\nслова\r\n',
    '--\r\n',
  ]);
});

it('carries the files of an album in their order, beside those that Telegram has', async () => {
  const media = [
    { type: 'photo', media: upload('first') },
    { type: 'photo', media: 'a file id' },
    { type: 'photo', media: upload('second') },
  ];
  const { text } = await written({ chat_id: 1, media });
  expect(text).toContain(
    '[{"type":"photo","media":"attach://0"},{"type":"photo","media":"a file id"},{"type":"photo","media":"attach://1"}]',
  );
  expect(text).toMatch(/name="0";[^]*\r\n\r\nfirst\r\n[^]*name="1";[^]*\r\n\r\nsecond\r\n/);
});
