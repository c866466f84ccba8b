import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { FileUploads, type FileUpload } from './file-uploads.js';

const size = async ({ content }: FileUpload) => {
  let bytes = 0;
  for await (const part of content) bytes += part.length;
  return bytes;
};

it('uploads of one portal, however slow, leave room for those of others', async () => {
  const uploads = new FileUploads();
  const begin = (portalId: bigint) => {
    const body = new PassThrough();
    body.write('a');
    return { body, kept: uploads.receive('a.txt', body, { portalId, maxBytes: 1_000 }, size) };
  };
  const slow = Array.from({ length: 8 }, () => begin(1n));
  await expect(begin(1n).kept).rejects.toMatchObject({ code: 'too_many_uploads' });
  const other = begin(2n);
  for (const { body } of [...slow, other]) body.end();
  expect(await Promise.all([...slow, other].map(({ kept }) => kept))).toEqual(Array(9).fill(1));
  const next = begin(1n);
  next.body.end();
  expect(await next.kept).toBe(1);
});
