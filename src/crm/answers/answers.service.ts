import type { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { limitStream, StreamLimitError } from '../../common/limited-stream.js';
import { mediaTypeOf } from '../../common/media-types.js';
import { Problem } from '../../common/problem.js';
import { Semaphore } from '../../common/semaphore.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { AnswerFilesRepository, type StoredFile } from '../../storage/crm/answer-files.repository.js';
import {
  ReadyAnswersRepository,
  type ReadyAnswerFilter,
  type ReadyAnswerRow,
} from '../../storage/crm/ready-answers.repository.js';
import { previewOf } from './answer-preview.js';
import type { AnswerChangeBody, AnswerItem } from './answers.dto.js';

const MB = 1024 * 1024;
/** Of one portal, so that none can fill the database for the others. */
const LIMITS = { answersOfPortal: 500, filesOfAnswer: 10, bytesOfPortal: 100 * MB };
/** Every replica reads it into its memory once. */
const FILE_BYTES = 10 * MB;
const UPLOADS_AT_ONCE = 4;
const UPLOAD = { maxBytes: FILE_BYTES, pace: { bytes: 30_000, withinMs: 30_000 }, totalMs: 180_000 };
/** As the portal and Telegram show it. */
const NAME = /^[^\p{Cc}/\\]{1,100}$/u;
const HOUR_MS = 3_600_000;

/** Ready answers of portals, with their files. Throws Problems that say what to do. */
@Injectable()
export class AnswersService {
  private readonly logger = new Logger(AnswersService.name);
  private readonly uploads = new Semaphore(UPLOADS_AT_ONCE);

  constructor(
    private readonly answers: ReadyAnswersRepository,
    private readonly files: AnswerFilesRepository,
    private readonly portals: PortalsRepository,
  ) {}

  /** In the order that people gave them. Throws {@link Problem} 400 where the one to go on behind was deleted. */
  async list(filter: ReadyAnswerFilter, limit = LIMITS.answersOfPortal): Promise<ReadyAnswerRow[]> {
    if (filter.after !== undefined && !(await this.answers.find(filter.after))) {
      throw new Problem(400, 'invalid_cursor', 'The list has changed: begin it anew.');
    }
    return this.answers.list(filter, limit);
  }

  find(id: bigint): Promise<ReadyAnswerRow | null> {
    return this.answers.find(id);
  }

  /** @param by who made it, as records name them */
  async make(portalId: bigint, { place, ...wish }: AnswerChangeBody, by: string): Promise<ReadyAnswerRow> {
    await this.assertThere(portalId);
    if (wish.title === undefined) {
      throw new Problem(400, 'invalid_request', 'title must be given.', { fields: ['title'] });
    }
    const { title, text = '', lineId = null, shortcut = null, language = null } = wish;
    const answer = { portalId, title, text, lineId, shortcut, language, createdBy: by };
    const id = await this.answers.create(answer, LIMITS.answersOfPortal);
    if (id === null) {
      const limit = LIMITS.answersOfPortal;
      throw new Problem(409, 'too_many_answers', `The portal has ${limit} ready answers, and cannot have more.`, {
        limit,
      });
    }
    if (place !== undefined) await this.answers.place(portalId, id, place);
    return (await this.answers.find(id))!;
  }

  async change(
    { id, portalId }: Pick<ReadyAnswerRow, 'id' | 'portalId'>,
    { place, ...change }: AnswerChangeBody,
  ): Promise<ReadyAnswerRow> {
    if (Object.values(change).some((value) => value !== undefined)) await this.answers.change(id, change);
    if (place !== undefined) await this.answers.place(portalId, id, place);
    const answer = await this.answers.find(id);
    if (!answer) throw gone(id);
    return answer;
  }

  remove(id: bigint): Promise<void> {
    return this.answers.remove(id);
  }

  /** Keeps what comes as a file of the answer, in place of the one of the same name. `content`: as it arrives. */
  async keepFile(
    { id, portalId }: Pick<ReadyAnswerRow, 'id' | 'portalId'>,
    name: string,
    content: unknown,
  ): Promise<ReadyAnswerRow> {
    if (!NAME.test(name)) {
      throw new Problem(
        400,
        'bad_file_name',
        'The name of a file is one line of up to 100 characters, without slashes.',
      );
    }
    await this.assertThere(portalId);
    const file = { portalId, answerId: id, name, mime: mediaTypeOf(name) ?? null, content: await this.read(content) };
    const kept = await this.files.keep(file, LIMITS);
    const answer = kept === 'gone' ? null : await this.answers.find(id);
    if (!answer) throw gone(id);
    if (kept === 'too_many') {
      const limit = LIMITS.filesOfAnswer;
      throw new Problem(409, 'too_many_files', `An answer has at most ${limit} files.`, { limit });
    }
    if (kept === 'full') {
      const limitMb = LIMITS.bytesOfPortal / MB;
      throw new Problem(409, 'files_full', `The files of a portal are at most ${limitMb} MB together.`, { limitMb });
    }
    return answer;
  }

  async removeFile(id: bigint, name: string): Promise<ReadyAnswerRow> {
    const removed = await this.files.remove(id, name);
    const answer = await this.answers.find(id);
    if (!answer || !removed) throw noFile();
    return answer;
  }

  async openFile({ portalId, files }: ReadyAnswerRow, name: string): Promise<StoredFile> {
    const known = files.find((file) => file.name === name);
    const file = known && (await this.files.open(portalId, known.id));
    if (!file) throw noFile();
    return file;
  }

  @Interval(HOUR_MS)
  async forgetFiles(): Promise<void> {
    await this.files.purge().catch((error: unknown) => {
      this.logger.warn({ err: error }, 'Files of ready answers could not be removed; trying again in an hour');
    });
  }

  /** Where the application was removed nothing is kept: it may be erased already, and pages stay open for a while. */
  private async assertThere(portalId: bigint): Promise<void> {
    const portal = await this.portals.findById(portalId);
    if (!portal) throw new Problem(404, 'not_found', `No portal has the id ${portalId}.`);
    if (portal.state === 'uninstalled') {
      throw new Problem(403, 'portal_gone', 'The application was removed from this portal.');
    }
  }

  private async read(content: unknown): Promise<Buffer> {
    if (!isReadable(content)) throw emptyFile();
    const release = this.uploads.tryAcquire();
    if (!release) {
      throw new Problem(503, 'too_many_uploads', 'Other files are being uploaded. Try again in a moment.', {
        retryAfter: 5,
      });
    }
    try {
      const parts: Buffer[] = [];
      for await (const part of limitStream(content, UPLOAD, uploadProblem)) parts.push(part as Buffer);
      if (parts.length === 0) throw emptyFile();
      return Buffer.concat(parts);
    } finally {
      release();
    }
  }
}

/** As the API shows it. */
export function answerItem(answer: ReadyAnswerRow): AnswerItem {
  return {
    ...answer,
    id: answer.id.toString(),
    portalId: answer.portalId.toString(),
    files: answer.files.map(({ name, mime, size }) => ({ name, mime, size })),
    preview: previewOf(answer.text),
  };
}

function uploadProblem(cause: Error): Error {
  if (!(cause instanceof StreamLimitError)) return new Problem(400, 'upload_cut', 'The file did not arrive whole.');
  if (cause.limit === 'too_slow') return new Problem(408, 'upload_too_slow', 'The file arrives too slowly.');
  const limitMb = FILE_BYTES / MB;
  return new Problem(413, 'file_too_large', `A file of a ready answer has at most ${limitMb} MB.`, { limitMb });
}

function isReadable(content: unknown): content is Readable {
  return typeof content === 'object' && content !== null && Symbol.asyncIterator in content;
}

const emptyFile = () => new Problem(400, 'file_empty', 'The file has no content.');
const noFile = () => new Problem(404, 'not_found', 'The answer has no such file.');
const gone = (id: bigint) => new Problem(404, 'not_found', `No answer has the id ${id}.`);
