import { HttpService } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import { bitrixProblem } from '../../bitrix/bitrix-problems.js';
import { fieldsOf, isYes } from '../../bitrix/php-values.reader.js';
import { parseObject } from '../../common/json-fields.js';
import { classifyFault, classifyPage, classifyTransport, faultOf } from '../../bitrix/rest-errors.js';
import { post } from '../../bitrix/transport.js';
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
  constructor(private readonly http: HttpService) {}

  /** `clientEndpoint` has passed assertPortalEndpoint. Throws UpstreamError. */
  async read(clientEndpoint: string, accessToken: string): Promise<Profile> {
    const answer = await post(this.http, `${clientEndpoint}profile`, {
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${accessToken}` },
      body: '{}',
      timeoutMs: TIMEOUT_MS,
    }).catch((error: unknown) => {
      throw error instanceof TransportError ? classifyTransport(error) : error;
    });
    const body = parseObject(answer.text);
    if (!body) throw classifyPage(answer.status);
    const fault = faultOf(body);
    if (fault) throw classifyFault(fault, { status: answer.status });
    const profile = fieldsOf(body['result']) ?? {};
    const userId = String(profile['ID'] ?? '');
    if (!/^\d+$/.test(userId)) {
      throw bitrixProblem('NO_PROFILE', 'The portal did not say who the user is');
    }
    return { userId, isAdmin: isYes(profile['ADMIN']) };
  }
}
