import { createServer, type Server } from 'node:http';
import type { Sandbox } from './sandbox.js';
export async function listenForPage(_port: number): Promise<Server> { return createServer(); }
export function servePage(_server: Server, _sandbox: Sandbox): () => void { return () => undefined; }
