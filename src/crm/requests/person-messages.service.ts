import { Injectable } from '@nestjs/common';
import { makeKeptFileAddress } from '../../common/external-ids.js';
import { Problem } from '../../common/problem.js';
import { saysOther, type RequestKey } from '../../storage/crm/send-requests.js';
import type { SendRequest } from '../../storage/intake/own-messages.js';
import { MessageFiles } from '../files/message-files.service.js';
import { SendRequests } from './send-requests.service.js';

/** What a person writes to a client elsewhere than in the dialog. */
export interface PersonMessage extends RequestKey {
  chatId: bigint;
  /** Plain. */
  text: string;
  /** Ids of files that they uploaded for this chat. */
  files: readonly string[];
  /** Who uploaded them, as the audit log names them. */
  by: string;
  /** As clients and operators see them; absent: nobody. */
  author?: SendRequest['author'];
}

/** Says what people write, once for each key. */
@Injectable()
export class PersonMessages {
  constructor(
    private readonly requests: SendRequests,
    private readonly files: MessageFiles,
  ) {}

  /** Null: the portal has no such chat. Throws {@link Problem} 409: `key_reused`, `attachment_gone`. */
  async write(message: PersonMessage): Promise<{ messageId: string | null; isRepeated: boolean } | null> {
    const { portalId, source, key, chatId, text, files, by, author } = message;
    const request = { portalId, source, key };
    // First: when it was sent its files are forgotten.
    let known = await this.requests.find(request);
    let isRepeated = known !== null;
    if (!known) {
      const attachments = await this.files.attachments({ portalId, chatId, by }, files);
      const words = { text, marks: [], attachments };
      const answer = await this.requests.send({ ...request, chatId, words, ...(author && { author }) });
      if (!('request' in answer)) return null;
      known = answer.request;
      isRepeated = answer.status === 'known';
    }
    const addresses = files.map((id) => makeKeptFileAddress(BigInt(id)));
    if (saysOther(known, { chatId, text, files: addresses })) {
      throw new Problem(409, 'key_reused', 'This key belongs to a message that says something else.');
    }
    return { messageId: known.messageId?.toString() ?? null, isRepeated };
  }
}
