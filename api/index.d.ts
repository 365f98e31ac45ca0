import { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { Socket } from "node:net";
import { FastifyErrorConstructor } from "@fastify/error";
import { FastifyUnderPressureOptions } from "@fastify/under-pressure";
interface Budget {
  gracePeriod: number;
  preStop: number;
  reserve: number;
  close: number;
  closing: number;
  announce: AnnounceBudget;
}
interface AnnounceBudget {
  min: number;
  quiet: number;
  blind: number;
  max: number;
  readinessDelay: number;
}
declare const phases: readonly ["running", "announcing", "closing", "draining", "terminated"];
type Phase = (typeof phases)[number];
type StallPhase = Exclude<Phase, "running" | "terminated">;
type HookPhase = Exclude<Phase, "running">;
type Answer = boolean | string | undefined | void;
type Participant = (phase: StallPhase, elapsed: number) => Answer | Promise<Answer>;
interface Stall {
  name: string;
  reason: string;
}
interface Failure {
  name: string;
  message: string;
}
type ShutdownKind = "shutdown" | "restart" | "crash" | "close";
type PhaseEnd = "condition" | "cap" | "undrain" | "exit";
interface PhaseRecord {
  phase: Phase;
  duration: number;
  endedBy: PhaseEnd;
  stalledBy: Stall[];
}
interface CutRequest {
  method: string;
  route: string | undefined;
  age: number;
}
interface CutConnection {
  method: string | undefined;
  route: string | undefined;
  address: string | undefined;
  age: number;
}
interface Cut {
  requests: CutRequest[];
  streams: number;
  upgraded: number;
  connections: CutConnection[];
  byOthers: CutRequest[];
  waiting: string[];
}
interface LateSource {
  address: string;
  count: number;
}
interface ProbeSummary {
  prober: string;
  answers: number;
  first: number;
  last: number;
}
interface FrontEnd {
  prober: string;
  route: string;
  userAgent: string | undefined;
  address: string | undefined;
  interval: number | undefined;
  answers: number;
  first: number | undefined;
  last: number | undefined;
  outcome: "pending" | "told" | "stopped" | "unaffected";
}
interface TrafficSummary {
  evidence: "observed" | "absent";
  rateBefore: number;
  arrivals: number;
  lastArrival: number | undefined;
  lateArrivals: number;
  lateSources: LateSource[];
  suggestedMin: number | undefined;
  probes: ProbeSummary[];
  frontEnds: FrontEnd[];
  shed: number;
}
interface Report {
  verdict: "clean" | "cut" | "failed";
  summary: string;
  kind: ShutdownKind;
  reason: string;
  exitCode: number;
  startedAt: number;
  duration: number;
  announcedBefore: number;
  gracePeriod: number;
  hurried: Phase | undefined;
  phases: PhaseRecord[];
  traffic: TrafficSummary;
  cut: Cut;
  failures: Array<Failure & {
    phase: Phase;
  }>;
  advice: string[];
}
interface ShutdownProgress {
  kind: ShutdownKind | undefined;
  reason: string | undefined;
  startedAt: number;
  hurried: Phase | undefined;
  phases: PhaseRecord[];
  floor: number;
  cap: number | undefined;
}
interface PublicStatus {
  phase: Phase;
  number: number;
  since: number;
  ready: boolean;
}
interface RequestStatus {
  method: string;
  route: string | undefined;
  age: number;
  kind: string;
}
interface ParticipantStatus {
  name: string;
  reason: string | undefined;
}
interface CheckStatus {
  name: string;
  kinds: readonly string[];
  critical: boolean;
  state: "passing" | "failing" | "degraded" | "unknown";
  age: number | undefined;
  duration: number | undefined;
  error: string | undefined;
}
interface PressureStatus {
  underPressure: boolean;
  heapUsed: number;
  rssBytes: number;
  eventLoopDelay: number;
  eventLoopUtilized: number;
}
interface WatchdogState {
  state: "starting" | "watching" | "failed";
  port: number | undefined;
  blockedCount: number;
  blockedTime: number;
  lastBlocked: {
    duration: number;
    at: number;
    blockedIn: string | undefined;
  } | undefined;
}
interface TrafficStatus {
  rate: number;
  arrivals: number;
  evidence: TrafficSummary["evidence"] | undefined;
  lastArrival: TrafficSummary["lastArrival"];
  lateArrivals: TrafficSummary["lateArrivals"];
  lateSources: TrafficSummary["lateSources"];
  probes: TrafficSummary["probes"];
  frontEnds: TrafficSummary["frontEnds"];
}
interface Versions {
  package: string;
  node: string;
  fastify: string;
}
interface Status extends PublicStatus {
  started: boolean;
  deadline: number | undefined;
  shutdown: ShutdownProgress | undefined;
  holds: string[];
  inFlight: number;
  requests: RequestStatus[];
  connections: Record<string, number>;
  participants: ParticipantStatus[];
  checks: CheckStatus[];
  pressure: PressureStatus | undefined;
  budget: Budget;
  platform?: string | undefined;
  traffic: TrafficStatus;
  work: string[];
  watchdog: WatchdogState | undefined;
  report: Report | undefined;
  versions: Versions;
}
declare const checkKinds: readonly ["readiness", "liveness", "startup"];
type CheckKind = (typeof checkKinds)[number];
interface CheckContext {
  signal: AbortSignal;
}
type Check = (context: CheckContext) => unknown;
interface CheckOptions {
  kinds?: readonly CheckKind[];
  timeout?: number;
  ttl?: number;
  interval?: number;
  critical?: boolean;
}
interface ExternalProbeOptions {
  path: string;
  status?: number;
  delay?: number;
}
interface ProbesOptions {
  prefix?: string;
  expose?: boolean;
  external?: ExternalProbeOptions | false;
}
interface AddedCheck extends Disposable {
  remove(): void;
}
interface HoldOptions {
  timeout?: number;
}
interface Hold extends Disposable {
  release(): void;
}
interface HookContext {
  phase: HookPhase;
  reason: string;
  readonly deadline: number | undefined;
  remaining: () => number;
  almostOver: (ms: number) => AbortSignal;
  signal: AbortSignal;
}
type PhaseHook = (context: HookContext) => unknown;
interface HookOptions {
  name?: string;
  timeout?: number;
}
interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  close(code?: number, reason?: string | Buffer): void;
  terminate(): void;
  emit(event: string | symbol, ...parameters: unknown[]): boolean;
  send(...parameters: unknown[]): unknown;
}
type WorkOwner = Pick<WebSocketLike, "readyState" | "close" | "terminate"> | Socket | FastifyRequest | FastifyReply;
interface Registration extends Disposable {
  remove(): void;
}
interface ShutdownOptions {
  reason?: string;
  exitCode?: number;
}
interface WorkOptions {
  name?: string;
  socket?: WorkOwner;
}
interface Graceful {
  readonly phase: Phase;
  readonly phases: readonly Phase[];
  readonly deadline: number | undefined;
  readonly signal: AbortSignal;
  shutdown(options?: ShutdownOptions): Promise<Report>;
  stall(name: string, participant: Participant): Registration;
  addHook(phase: HookPhase, hook: PhaseHook, options?: HookOptions): Registration;
  waitUntil(promise: PromiseLike<unknown>, options?: WorkOptions): void;
  hold(reason: string, options?: HoldOptions): Hold;
  addCheck(name: string, check: Check, options?: CheckOptions): AddedCheck;
  ready(): Promise<boolean>;
  status(): Status;
}
interface Errors {
  FST_GRACEFUL_INVALID_OPTION: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string, string, string, string]>;
  FST_GRACEFUL_UNKNOWN_OPTION: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string, string]>;
  FST_GRACEFUL_BUDGET: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string, string, string]>;
  FST_GRACEFUL_INVALID_ENVIRONMENT: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string, string, string]>;
  FST_GRACEFUL_INVALID_ARGUMENT: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string, string, string, string]>;
  FST_GRACEFUL_INVALID_ANSWER: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string, string]>;
  FST_GRACEFUL_ALREADY_REGISTERED: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }>;
  FST_GRACEFUL_TOO_LATE: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }>;
  FST_GRACEFUL_ILLEGAL_MOVE: FastifyErrorConstructor<{
    code: string;
    statusCode: 409;
  }, [string, string, string]>;
  FST_GRACEFUL_PRESSURE_TWICE: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }>;
  FST_GRACEFUL_DUPLICATE_CHECK: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string]>;
  FST_GRACEFUL_METRICS_CLIENT: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string]>;
  FST_GRACEFUL_SUPERVISOR: FastifyErrorConstructor<{
    code: string;
    statusCode: 500;
  }, [string, string]>;
}
declare const errors: Errors;
interface GuardOptions {
  token?: string | readonly string[];
  authorize?: (request: FastifyRequest) => boolean | Promise<boolean>;
  unixSocket?: boolean | {
    mode?: string | number;
  };
}
interface AdminOptions extends GuardOptions {
  prefix?: string;
}
interface WatchdogOptions {
  enabled?: boolean;
  blocked?: number;
  liveness?: number;
  port?: number;
  host?: string;
}
interface PressureOptions extends FastifyUnderPressureOptions {
  readiness?: boolean;
}
interface MetricsRegistry {
  registerMetric(metric: any): void;
  getSingleMetric(name: string): unknown;
  removeSingleMetric(name: string): void;
  metrics(): Promise<string>;
  readonly contentType: string;
}
interface MetricsOptions {
  registry?: MetricsRegistry;
  path?: string | false;
}
type SignalAction = "shutdown" | "restart" | "ignore" | false;
type OtherListenersTime = "after" | "beside";
interface SystemdOptions {
  extendTimeout?: boolean;
}
type Shed = "gradual" | "immediate" | "off";
interface WebSocketOptions {
  code?: number;
  reason?: string;
  quiet?: number;
}
interface DrainOptions {
  idle?: number;
  spread?: number;
  webSocket?: WebSocketOptions | false;
}
interface AnnounceOptions extends Partial<AnnounceBudget> {
  shed?: Shed;
  failures?: number;
  onClose?: boolean;
  envoy?: boolean;
}
interface KubernetesOptions {
  terminationMessagePath?: string;
}
interface GracefulOptions {
  gracePeriod?: number;
  platform?: string | false;
  preStop?: number;
  reserve?: number;
  announce?: AnnounceOptions;
  drain?: DrainOptions;
  close?: number;
  closeWith?: () => unknown;
  signals?: Record<string, SignalAction>;
  otherListeners?: OtherListenersTime;
  restartExitCode?: number;
  crash?: boolean;
  exit?: boolean;
  probes?: ProbesOptions | false;
  admin?: AdminOptions | false;
  pressure?: PressureOptions | false;
  kubernetes?: KubernetesOptions | false;
  systemd?: SystemdOptions | false;
  watchdog?: WatchdogOptions | false;
  metrics?: MetricsOptions | boolean;
}
interface FromApplication {
  application: string;
}
interface PhaseEvent extends FromApplication {
  phase: Phase;
  previous: Phase;
  record: PhaseRecord;
  reason: string;
  deadline: number | undefined;
}
interface RequestCutEvent extends FromApplication, CutRequest {
  by: "deadline" | "others";
}
interface LateConnectionEvent extends FromApplication {
  address: string | undefined;
  after: number;
}
interface BlockedEvent extends FromApplication {
  duration: number;
  at: number;
  blockedIn: string | undefined;
}
interface ReportEvent extends FromApplication {
  report: Report;
}
interface Events {
  "fastify-graceful:phase": PhaseEvent;
  "fastify-graceful:request-cut": RequestCutEvent;
  "fastify-graceful:late-connection": LateConnectionEvent;
  "fastify-graceful:blocked": BlockedEvent;
  "fastify-graceful:report": ReportEvent;
}
declare module "fastify" {
  interface FastifyInstance {
    graceful: Graceful;
  }
  interface FastifyRequest {
    readonly drainSignal: AbortSignal;
  }
  interface FastifyContextConfig {
    graceful?: {
      traffic?: boolean;
      probe?: boolean;
      stream?: boolean;
    };
  }
}
type Plugin = FastifyPluginAsync<GracefulOptions> & {
  phases: typeof phases;
  errors: typeof errors;
};
declare const fastifyGraceful: Plugin & {
  fastifyGraceful: Plugin;
};
export {
  type AddedCheck,
  type AdminOptions,
  type AnnounceOptions,
  type Answer,
  type BlockedEvent,
  type Check,
  type CheckContext,
  type CheckKind,
  type CheckOptions,
  type CheckStatus,
  type Cut,
  type CutConnection,
  type CutRequest,
  type DrainOptions,
  type Events,
  type ExternalProbeOptions,
  type Failure,
  type FrontEnd,
  type Graceful,
  type GracefulOptions,
  type Hold,
  type HoldOptions,
  type HookContext,
  type HookOptions,
  type HookPhase,
  type KubernetesOptions,
  type LateConnectionEvent,
  type LateSource,
  type MetricsOptions,
  type MetricsRegistry,
  type OtherListenersTime,
  type Participant,
  type ParticipantStatus,
  type Phase,
  type PhaseEnd,
  type PhaseEvent,
  type PhaseHook,
  type PhaseRecord,
  type PressureOptions,
  type PressureStatus,
  type ProbeSummary,
  type ProbesOptions,
  type PublicStatus,
  type Registration,
  type Report,
  type ReportEvent,
  type RequestCutEvent,
  type RequestStatus,
  type Shed,
  type ShutdownKind,
  type ShutdownOptions,
  type ShutdownProgress,
  type SignalAction,
  type Stall,
  type StallPhase,
  type Status,
  type SystemdOptions,
  type TrafficStatus,
  type TrafficSummary,
  type WatchdogOptions,
  type WatchdogState,
  type WebSocketOptions,
  type WorkOptions,
  type WorkOwner,
  fastifyGraceful as default,
  fastifyGraceful,
  fastifyGraceful as "module.exports",
  errors,
  phases
};
