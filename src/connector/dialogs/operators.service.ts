import { Injectable, Logger } from '@nestjs/common';
import { elementsOf, fieldsOf, scalar, word } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { TimeLimitError, within } from '../../common/within.js';
import type { Operator } from '../../relay/operator-directory.js';

/** Names change rarely; a new one is seen within an hour. */
const KNOWN_MS = 3_600_000;
/** Nobody of that id, or the portal did not say: asked again sooner. */
const UNKNOWN_MS = 300_000;
/** A message waits no longer for the name of its author. */
const WAIT_MS = 3_000;
const CALL_MS = 10_000;
const MOST_REMEMBERED = 10_000;

interface Remembered {
  operator: Promise<Operator | null>;
  until: number;
}

/** Who the operators are, as `user.get` tells (scope `user_basic` or `user`). */
@Injectable()
export class OperatorsService {
  private readonly logger = new Logger(OperatorsService.name);
  private readonly remembered = new Map<string, Remembered>();

  constructor(private readonly rest: RestClient) {}

  /** Null: nobody of that id, or the portal does not say within 3 s. Never throws. */
  async find(portalId: bigint, userId: string): Promise<Operator | null> {
    if (!/^[1-9]\d*$/.test(userId)) return null;
    try {
      return await within(WAIT_MS, this.read(portalId, userId));
    } catch (error) {
      // The call goes on: whoever asks next has its answer.
      if (error instanceof TimeLimitError) return null;
      throw error;
    }
  }

  /** One call for all who ask about the same operator; never rejects. */
  private read(portalId: bigint, userId: string): Promise<Operator | null> {
    const key = `${portalId}:${userId}`;
    const known = this.remembered.get(key);
    if (known && known.until > Date.now()) return known.operator;
    if (this.remembered.size >= MOST_REMEMBERED) this.remembered.clear();
    const asked: Remembered = { until: Date.now() + UNKNOWN_MS, operator: this.ask(portalId, userId) };
    this.remembered.set(key, asked);
    void asked.operator.then((operator) => {
      asked.until = Date.now() + (operator ? KNOWN_MS : UNKNOWN_MS);
    });
    return asked.operator;
  }

  private async ask(portalId: bigint, userId: string): Promise<Operator | null> {
    try {
      const { result } = await this.rest.call<unknown>(portalId, 'user.get', { ID: userId }, { timeoutMs: CALL_MS });
      const user = elementsOf(result)
        .map(fieldsOf)
        .find((fields) => scalar(fields?.ID) === userId);
      return user ? operatorOf(user) : null;
    } catch (error) {
      this.logger.debug({ portalId: String(portalId), err: error }, 'The name of an operator could not be read');
      return null;
    }
  }
}

function operatorOf({ NAME, LAST_NAME, WORK_POSITION }: Record<string, unknown>): Operator {
  return { firstName: word(NAME) ?? '', lastName: word(LAST_NAME) ?? '', position: word(WORK_POSITION) ?? '' };
}
