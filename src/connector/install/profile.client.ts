import { Injectable } from '@nestjs/common';
import { BitrixConnections } from '../../bitrix/bitrix-connections.js';
import { bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { fieldsOf, isYes, scalar } from '../../bitrix/php-values.reader.js';
import { parseObject } from '../../common/json-fields.js';
import { classifyFault, classifyPage, classifyTransport, faultOf } from '../../bitrix/rest-errors.js';
import { TransportError } from '../../common/http-exchange.js';

const TIMEOUT_MS = 10_000;

/** Who a token acts for, as the portal itself says. */
export interface Profile {
  userId: string;
  isAdmin: boolean;
}

/**
 * The method `profile` with a token that is not ours yet. RestClient cannot make this call: it knows only stored
 * tokens, and nothing is stored before the portal has said whose token this is.
 */
@Injectable()
export class ProfileClient {
  constructor(private readonly connections: BitrixConnections) {}

  /**
   * Throws UpstreamError.
   *
   * @param clientEndpoint has passed assertPortalEndpoint
   * @param clientId       of the application that the token was issued to
   */
  async read(clientEndpoint: string, clientId: string, accessToken: string): Promise<Profile> {
    const headers = {
      Accept: 'application/json',
      'Content-Type': 'application/json',
      Authorization: `Bearer ${accessToken}`,
    };
    const request = { url: new URL(`${clientEndpoint}profile`), headers, body: '{}', timeoutMs: TIMEOUT_MS };
    const answer = await this.connections.post(request, clientId).catch((error: unknown) => {
      throw error instanceof TransportError ? classifyTransport(error) : error;
    });
    const body = parseObject(answer.text);
    if (!body) throw classifyPage(answer.status);
    const fault = faultOf(body);
    if (fault) throw classifyFault(fault, { status: answer.status });
    const profile = fieldsOf(body['result']) ?? {};
    const userId = scalar(profile['ID']) ?? '';
    if (!/^\d+$/.test(userId)) {
      throw bitrixProblem('NO_PROFILE', 'The portal did not say who the user is');
    }
    return { userId, isAdmin: isYes(profile['ADMIN']) };
  }
}
