import { Injectable } from '@nestjs/common';
import { FileLinks, type LinkedFile } from '../../relay/file-links.js';

/** For a person who looks at an answer now; milliseconds. */
const VIEWED_MS = 3_600_000;

/** Links to clients' files and photos in the answers of the admin API: each works for an hour. */
@Injectable()
export class ViewingLinks {
  constructor(private readonly links: FileLinks) {}

  /** Null without PUBLIC_URL. */
  to(file: LinkedFile): string | null {
    return this.links.to(file, new Date(Date.now() + VIEWED_MS));
  }
}
