import { Injectable } from '@nestjs/common';
import { fullName } from '../../common/full-name.js';
import { OperatorDirectory } from '../../relay/operator-directory.js';
import type { FrameSession } from './frame-sessions.js';

/** What whoever looks is called where they write something. */
@Injectable()
export class ViewerNames {
  constructor(private readonly operators: OperatorDirectory) {}

  /** As the line names them; whoever is hidden from clients is not hidden from colleagues. Undefined: nobody knows. */
  async onLine(
    { portalId, userId }: Pick<FrameSession, 'portalId' | 'userId'>,
    lineId: string | null,
  ): Promise<string | undefined> {
    const onLine = lineId === null ? null : await this.operators.operatorOnLine({ portalId, lineId }, userId);
    const known = onLine === 'hidden' || onLine === null ? await this.operators.operator(portalId, userId) : onLine;
    return (known && fullName(known.firstName, known.lastName)) || undefined;
  }
}
