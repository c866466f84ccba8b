import { Global, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, ConfigService } from '@nestjs/config';
import { Environment, readEnvironment } from './environment.js';

/** Reads `.env` and the environment once; everything else injects {@link Environment}. */
@Global()
@Module({
  imports: [NestConfigModule.forRoot({ cache: true, ignoreEnvFile: process.env.NODE_ENV === 'test' })],
  providers: [
    {
      provide: Environment,
      inject: [ConfigService],
      // ConfigService has already merged .env into process.env; reading it whole lets all problems be named at once.
      useFactory: () => readEnvironment(process.env),
    },
  ],
  exports: [Environment],
})
export class ConfigModule {}
