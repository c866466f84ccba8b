import { Injectable, type PipeTransform } from '@nestjs/common';
import { Problem } from '../common/problem.js';
import { ID } from '../common/cursor.js';

/** An id in a path. What cannot be an id names nothing: 404. */
@Injectable()
export class IdPipe implements PipeTransform<string, bigint> {
  transform(value: string): bigint {
    if (!ID.test(value)) throw notFound('Nothing', value);
    return BigInt(value);
  }
}

/** An id that may be given as a parameter. */
export function idOf(parameter: string | undefined): bigint | undefined {
  return parameter === undefined ? undefined : BigInt(parameter);
}

/** @param what e.g. `Message`, as the sentence "Message 5 does not exist." starts. */
export function notFound(what: string, id: bigint | string): Problem {
  return new Problem(404, 'not_found', `${what} has the id ${String(id).slice(0, 40)}.`);
}
