import { expect, it } from 'vitest';
import { choosePhotoSize } from './photo-sizes.js';

const size = (width: number, height: number) => ({ file_id: `${width}x${height}`, width, height });
const sizes = [size(90, 60), size(1280, 853), size(320, 213), { width: 5000, height: 5000 }, 'broken'];

it('chooses the largest that has a file', () => {
  expect(choosePhotoSize(sizes, 'largest')).toEqual(size(1280, 853));
});

it('chooses the width that is nearest', () => {
  expect(choosePhotoSize(sizes, { width: 160 })).toEqual(size(90, 60));
  expect(choosePhotoSize(sizes, { width: 640 })).toEqual(size(320, 213));
});

it('chooses none where there is none', () => {
  expect(choosePhotoSize([{ width: 1 }], 'largest')).toBeUndefined();
  expect(choosePhotoSize(undefined, { width: 1 })).toBeUndefined();
});
