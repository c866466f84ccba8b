import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import type { StoredFile } from '../../storage/crm/file-contents.js';
import {
  ReadyAnswersRepository,
  type ReadyAnswerFilter,
  type ReadyAnswerRow,
} from '../../storage/crm/ready-answers.repository.js';
import { fileItem } from '../files/kept-file.js';
import { KeptFiles } from '../files/kept-files.service.js';
import { previewOf } from './answer-preview.js';
import type { AnswerChangeBody, AnswerItem } from './answers.dto.js';

/** Of one portal, so that none can fill the database for the others. */
const ANSWERS_OF_PORTAL = 500;

type OfPortal = Pick<ReadyAnswerRow, 'id' | 'portalId'>;

/** Ready answers of portals, with their files. Throws Problems that say what to do. */
@Injectable()
export class AnswersService {
  constructor(
    private readonly answers: ReadyAnswersRepository,
    private readonly files: KeptFiles,
  ) {}

  /** In the order that people gave them. Throws {@link Problem} 400 where the one to go on behind was deleted. */
  async list(filter: ReadyAnswerFilter, limit = ANSWERS_OF_PORTAL): Promise<ReadyAnswerRow[]> {
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
    await this.files.assertConnected(portalId);
    if (wish.title === undefined) {
      throw new Problem(400, 'invalid_request', 'title must be given.', { fields: ['title'] });
    }
    const { title, text = '', lineId = null, shortcut = null, language = null } = wish;
    const answer = { portalId, title, text, lineId, shortcut, language, createdBy: by };
    const id = await this.answers.create(answer, ANSWERS_OF_PORTAL);
    if (id === null) {
      const limit = ANSWERS_OF_PORTAL;
      throw new Problem(409, 'too_many_answers', `The portal has ${limit} ready answers, and cannot have more.`, {
        limit,
      });
    }
    if (place !== undefined) await this.answers.place(portalId, id, place);
    return (await this.answers.find(id))!;
  }

  async change({ id, portalId }: OfPortal, { place, ...change }: AnswerChangeBody): Promise<ReadyAnswerRow> {
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
  async keepFile({ id, portalId }: OfPortal, name: string, content: unknown): Promise<ReadyAnswerRow> {
    const kept = await this.files.keep({ portalId, owner: { answerId: id } }, name, content);
    return this.withFiles(id, kept);
  }

  async removeFile({ id, portalId }: OfPortal, name: string): Promise<ReadyAnswerRow> {
    const removed = await this.files.remove({ portalId, owner: { answerId: id } }, name);
    return this.withFiles(id, removed);
  }

  openFile(answer: ReadyAnswerRow, name: string): Promise<StoredFile> {
    return this.files.open(answer, name);
  }

  private async withFiles(id: bigint, isThere: boolean): Promise<ReadyAnswerRow> {
    const answer = isThere ? await this.answers.find(id) : null;
    if (!answer) throw gone(id);
    return answer;
  }
}

/** As the API shows it. */
export function answerItem(answer: ReadyAnswerRow): AnswerItem {
  return {
    ...answer,
    id: answer.id.toString(),
    portalId: answer.portalId.toString(),
    files: answer.files.map(fileItem),
    preview: previewOf(answer.text),
  };
}

const gone = (id: bigint) => new Problem(404, 'not_found', `No answer has the id ${id}.`);
