import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Problem } from '../../common/problem.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { AnswerFilesRepository } from '../../storage/crm/answer-files.repository.js';
import type { StoredFile } from '../../storage/crm/file-contents.js';
import {
  ReadyAnswersRepository,
  type ReadyAnswerFilter,
  type ReadyAnswerRow,
} from '../../storage/crm/ready-answers.repository.js';
import { FileUploads } from '../files/file-uploads.js';
import { previewOf } from './answer-preview.js';
import type { AnswerChangeBody, AnswerItem } from './answers.dto.js';

const MB = 1024 * 1024;
/** Of one portal, so that none can fill the database for the others. */
const LIMITS = { answersOfPortal: 500, filesOfAnswer: 10, bytesOfPortal: 100 * MB };
const FILE_BYTES = 10 * MB;
const HOUR_MS = 3_600_000;

/** Ready answers of portals, with their files. Throws Problems that say what to do. */
@Injectable()
export class AnswersService {
  private readonly logger = new Logger(AnswersService.name);

  constructor(
    private readonly answers: ReadyAnswersRepository,
    private readonly files: AnswerFilesRepository,
    private readonly portals: PortalsRepository,
    private readonly uploads: FileUploads,
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
    await this.assertThere(portalId);
    const kept = await this.uploads.receive(name, content, FILE_BYTES, (file) =>
      this.files.keep({ ...file, portalId, answerId: id }, LIMITS),
    );
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

const noFile = () => new Problem(404, 'not_found', 'The answer has no such file.');
const gone = (id: bigint) => new Problem(404, 'not_found', `No answer has the id ${id}.`);
