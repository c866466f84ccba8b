import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { ApplicationsService } from './applications.service.js';
import { OauthClient } from './oauth.client.js';
import { RateLimiter } from './rate-limiter.js';
import { RestConnections } from './rest-connections.js';
import { RestClient } from './rest.client.js';
import { RestTroubles } from './rest-troubles.js';
import { TokenKeepaliveService } from './token-keepalive.service.js';
import { TokensService } from './tokens.service.js';
import { HTTP_OPTIONS } from './transport.js';

/** Bitrix24 as an OAuth REST service; it knows nothing of messages. Its tables come from the global StorageModule. */
@Module({
  imports: [HttpModule.register(HTTP_OPTIONS)],
  providers: [
    ApplicationsService,
    OauthClient,
    TokensService,
    RateLimiter,
    RestConnections,
    RestClient,
    RestTroubles,
    TokenKeepaliveService,
  ],
  exports: [ApplicationsService, OauthClient, TokensService, RateLimiter, RestClient, RestTroubles],
})
export class BitrixModule {}
