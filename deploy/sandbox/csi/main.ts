/**
 * The sandbox's CSI driver: volumes are folders of one disk, mounted into pods by bind mounts. Started by
 * components/csi.ts in the node's mount namespace.
 *
 * `node main.ts --protos DIR --data DIR --node NAME --socket FILE --registration-socket FILE`
 */
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { sendUnaryData, ServerUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadPackageDefinition, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import { driverName } from './names.ts';
import { controllerService, identityService, nodeService } from './services.ts';
import { createVolumeStore, StoreError } from './store.ts';

type Methods = Record<string, (request: never) => Promise<object>>;

const codes: Record<StoreError['kind'], status> = {
  invalid: status.INVALID_ARGUMENT,
  missing: status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  busy: status.ABORTED,
};

const { values } = parseArgs({
  options: {
    protos: { type: 'string' },
    data: { type: 'string' },
    node: { type: 'string' },
    socket: { type: 'string' },
    'registration-socket': { type: 'string' },
  },
});

await main();

async function main(): Promise<void> {
  const protos = required('protos');
  const socket = required('socket');
  const store = createVolumeStore(required('data'));
  const csiServices = ['Identity', 'Controller', 'Node'].map((name) => `csi.v1.${name}`);
  const csi = await loadServices(join(protos, 'csi.proto'), csiServices);
  const driver = new Server();
  driver.addService(csi[0]!, handlers(identityService()));
  driver.addService(csi[1]!, handlers(controllerService(store)));
  driver.addService(csi[2]!, handlers(nodeService(store, required('node'))));
  await listen(driver, socket);

  const [registration] = await loadServices(join(protos, 'pluginregistration.proto'), [
    'pluginregistration.Registration',
  ]);
  const registrar = new Server();
  registrar.addService(registration!, handlers(registrationService(socket)));
  await listen(registrar, required('registration-socket'));
  process.once('SIGTERM', () => process.exit(0));
}

/** How the kubelet finds the driver: it looks for sockets in its registry and asks them who they are. */
function registrationService(endpoint: string) {
  return {
    GetInfo: async () => ({
      type: 'CSIPlugin',
      name: driverName,
      endpoint,
      supported_versions: ['1.0.0'],
    }),
    async NotifyRegistrationStatus(answer: { plugin_registered: boolean; error: string }) {
      if (!answer.plugin_registered) {
        console.error(`The kubelet refuses the driver: ${answer.error}`);
        process.exitCode = 1;
      }
      return {};
    },
  };
}

async function loadServices(file: string, names: readonly string[]) {
  const definition = await load(file, {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
    // csi.proto imports protobuf's own files, which the loader brings.
    includeDirs: [dirname(file)],
  });
  const root: object = loadPackageDefinition(definition);
  return names.map((name) => {
    const parts = name.split('.');
    const client = parts.reduce<unknown>(
      (node, part) => (node as Record<string, unknown>)[part],
      root,
    );
    return (client as { service: Parameters<Server['addService']>[0] }).service;
  });
}

/** gRPC handlers around plain methods, with one line in the log for every call that changes or fails. */
function handlers(methods: Methods): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(methods).map(([name, method]) => [
      name,
      (call: ServerUnaryCall<unknown, object>, reply: sendUnaryData<object>): void => {
        const begun = Date.now();
        const log = (outcome: string): void => {
          if (/^(Node|Controller)?Get|^Probe/.test(name) && outcome === 'ok') return;
          const time = new Date().toISOString();
          console.log(`${time} ${name} ${Date.now() - begun} ms: ${outcome}`);
        };
        method(call.request as never).then(
          (value) => {
            log('ok');
            reply(null, value);
          },
          (error: unknown) => {
            const message = error instanceof Error ? error.message : String(error);
            log(message);
            const code = error instanceof StoreError ? codes[error.kind] : status.INTERNAL;
            reply({ code, message });
          },
        );
      },
    ]),
  );
}

async function listen(server: Server, socket: string): Promise<void> {
  await mkdir(dirname(socket), { recursive: true });
  // Of a driver that was killed.
  await rm(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

function required(name: keyof typeof values): string {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is missing`);
  return value;
}
