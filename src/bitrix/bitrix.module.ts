import { Module } from '@nestjs/common';
import { ApplicationsService } from './applications.service.js';
import { BitrixConnections } from './bitrix-connections.js';
import { CertificateAuthorities } from './certificate-authorities.js';
import { OauthClient } from './oauth.client.js';
import { RateLimiter } from './rate-limiter.js';
import { RestClient } from './rest.client.js';
import { RestRequestLog } from './rest-request-log.js';
import { RestTroubles } from './rest-troubles.js';
import { TokenKeepaliveService } from './token-keepalive.service.js';
import { TokensService } from './tokens.service.js';

/** Bitrix24 as an OAuth REST service; it knows nothing of messages. Its tables come from the global StorageModule. */
@Module({
  providers: [
    ApplicationsService,
    BitrixConnections,
    CertificateAuthorities,
    OauthClient,
    TokensService,
    RateLimiter,
    RestClient,
    RestRequestLog,
    RestTroubles,
    TokenKeepaliveService,
  ],
  exports: [ApplicationsService, BitrixConnections, OauthClient, TokensService, RateLimiter, RestClient, RestTroubles],
})
export class BitrixModule {}
