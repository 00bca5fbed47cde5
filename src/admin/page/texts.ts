import type { AccountState, KeyView, LineVerdict, NodeView } from '../desk.ts';

export type Language = 'en' | 'zh';

/** Every text of the page in one language. */
export interface Texts {
  readonly language: string;
  readonly otherLanguage: string;
  readonly title: string;
  readonly keyLabel: string;
  readonly keyHint: string;
  readonly logIn: string;
  readonly logOut: string;
  readonly loggedOut: string;
  readonly unreachable: string;
  readonly connection: Readonly<Record<'connecting' | 'live' | 'polling', string>>;
  readonly states: Readonly<Record<AccountState, string>>;
  readonly nodeStates: Readonly<Record<NodeView['state'], string>>;
  readonly outcomes: Readonly<Record<LineVerdict['outcome'], string>>;
  readonly sources: Readonly<Record<KeyView['source'], string>>;
  readonly kinds: Readonly<Record<'access' | 'refresh', string>>;
  readonly summary: string;
  readonly inFlight: string;
  readonly waiting: string;
  readonly accounts: string;
  readonly addAccounts: string;
  readonly addHint: string;
  readonly addLabel: string;
  readonly chooseFile: string;
  readonly add: string;
  readonly adding: string;
  readonly cancel: string;
  readonly line: string;
  readonly result: string;
  readonly search: string;
  readonly searchHint: string;
  readonly state: string;
  readonly allStates: string;
  readonly account: string;
  readonly limits: string;
  readonly success: string;
  readonly load: string;
  readonly lastFailure: string;
  readonly actions: string;
  readonly noLimits: string;
  readonly never: string;
  readonly noAccounts: string;
  readonly noMatch: string;
  readonly loading: string;
  readonly test: string;
  readonly refresh: string;
  readonly clear: string;
  readonly clearHint: string;
  readonly enable: string;
  readonly disable: string;
  readonly remove: string;
  readonly removeAll: string;
  readonly exportCsv: string;
  readonly exportJson: string;
  readonly previous: string;
  readonly next: string;
  readonly allModels: string;
  readonly keys: string;
  readonly keysHint: string;
  readonly keyName: string;
  readonly perMinute: string;
  readonly streams: string;
  readonly makeKey: string;
  readonly unlimited: string;
  readonly newKey: string;
  readonly newKeyHint: string;
  readonly copy: string;
  readonly copied: string;
  readonly requests: string;
  readonly refused: string;
  readonly source: string;
  readonly noKeys: string;
  readonly gateways: string;
  readonly proxies: string;
  readonly noProxies: string;
  readonly name: string;
  readonly latency: string;
  readonly ejections: string;
  readonly done: string;
  readonly wellChecked: string;
  readonly range: (from: number, to: number, total: number) => string;
  readonly added: (counts: Readonly<Record<LineVerdict['outcome'], number>>) => string;
  readonly moreLines: (count: number) => string;
  readonly confirmRemove: (id: string) => string;
  readonly confirmRemoveAll: (count: number) => string;
  readonly confirmRemoveKey: (name: string) => string;
  readonly in: (duration: string) => string;
  readonly ago: (duration: string) => string;
  readonly expires: (when: string) => string;
  readonly expired: (when: string) => string;
  /** Days, hours, minutes, seconds. */
  readonly units: readonly [string, string, string, string];
}

const EN: Texts = {
  language: 'en',
  otherLanguage: '中文',
  title: 'Accounts',
  keyLabel: 'Admin key',
  keyHint: 'The value of ADMIN_KEY in the settings of this proxy.',
  logIn: 'Log in',
  logOut: 'Log out',
  loggedOut: 'The session has ended. Log in again.',
  unreachable: 'The proxy does not answer. Is it running?',
  connection: { connecting: 'Connecting', live: 'Live', polling: 'Every 5 s' },
  states: {
    ready: 'Ready',
    busy: 'Busy',
    cooling: 'Cooling down',
    needs_refresh: 'Needs refresh',
    quarantined: 'Quarantined',
    disabled: 'Disabled',
  },
  nodeStates: { well: 'Well', ejected: 'Ejected', probing: 'Probing', slow_start: 'Slow start' },
  outcomes: { added: 'Added', updated: 'Updated', known: 'Known', rejected: 'Rejected' },
  sources: { environment: 'AUTHORIZATION', file: 'Keys file', admin: 'Made here' },
  kinds: { access: 'access token', refresh: 'refresh token' },
  summary: 'Summary',
  inFlight: 'In flight',
  waiting: 'Waiting',
  accounts: 'Accounts',
  addAccounts: 'Add accounts',
  addHint:
    'One token per line, with “,account id” behind it for a workspace. Lines that begin with # are left out.',
  addLabel: 'Tokens, one per line',
  chooseFile: 'Or a file',
  add: 'Add',
  adding: 'Adding…',
  cancel: 'Close',
  line: 'Line',
  result: 'Result',
  search: 'Search',
  searchHint: 'Hash, workspace, plan, failure…',
  state: 'State',
  allStates: 'All states',
  account: 'Account',
  limits: 'Limits',
  success: 'Success',
  load: 'Load',
  lastFailure: 'Last failure',
  actions: 'Actions',
  noLimits: 'none',
  never: 'none',
  noAccounts: 'No accounts yet. Add the first ones: requests with a key of yours then run on them.',
  noMatch: 'No account matches.',
  loading: 'Loading…',
  test: 'Test',
  refresh: 'Refresh',
  clear: 'Reset',
  clearHint: 'Forget failures, limits and quarantine',
  enable: 'Enable',
  disable: 'Disable',
  remove: 'Remove',
  removeAll: 'Remove all',
  exportCsv: 'Export CSV',
  exportJson: 'Export JSON lines',
  previous: 'Previous',
  next: 'Next',
  allModels: 'all models',
  keys: 'Client keys',
  keysHint: 'What clients send as their API key. A key is shown once, when it is made.',
  keyName: 'Name',
  perMinute: 'Requests per minute',
  streams: 'Streams at once',
  makeKey: 'Make key',
  unlimited: 'no limit',
  newKey: 'The new key',
  newKeyHint: 'Copy it now: it is not shown again.',
  copy: 'Copy',
  copied: 'Copied.',
  requests: 'Requests',
  refused: 'Refused',
  source: 'From',
  noKeys: 'No keys. Make one, or name some in AUTHORIZATION.',
  gateways: 'Gateways',
  proxies: 'Outbound proxies',
  noProxies: 'No proxies: connections go out directly. PROXY_URL names some.',
  name: 'Name',
  latency: 'Latency',
  ejections: 'Ejections',
  done: 'Done.',
  wellChecked: 'The account works.',
  range: (from, to, total) => `${from}–${to} of ${total}`,
  added: ({ added, updated, known, rejected }) =>
    `${added} added, ${updated} updated, ${known} known, ${rejected} rejected`,
  moreLines: (count) => `and ${count} more lines`,
  confirmRemove: (id) => `Remove account ${id}? Its token is forgotten.`,
  confirmRemoveAll: (count) => `Remove all ${count} accounts? Their tokens are forgotten.`,
  confirmRemoveKey: (name) => `Remove the key “${name}”? Clients that use it are refused from now on.`,
  in: (duration) => `in ${duration}`,
  ago: (duration) => `${duration} ago`,
  expires: (when) => `expires ${when}`,
  expired: (when) => `expired ${when}`,
  units: ['d', 'h', 'm', 's'],
};

const ZH: Texts = {
  language: 'zh-CN',
  otherLanguage: 'English',
  title: '账号',
  keyLabel: '管理密钥',
  keyHint: '本代理设置中 ADMIN_KEY 的值。',
  logIn: '登录',
  logOut: '退出',
  loggedOut: '会话已结束，请重新登录。',
  unreachable: '代理没有响应，它在运行吗？',
  connection: { connecting: '连接中', live: '实时', polling: '每 5 秒' },
  states: {
    ready: '可用',
    busy: '忙碌',
    cooling: '冷却中',
    needs_refresh: '待刷新',
    quarantined: '已隔离',
    disabled: '已停用',
  },
  nodeStates: { well: '正常', ejected: '已剔除', probing: '探测中', slow_start: '缓启动' },
  outcomes: { added: '已添加', updated: '已更新', known: '已存在', rejected: '已拒绝' },
  sources: { environment: 'AUTHORIZATION', file: '密钥文件', admin: '在此创建' },
  kinds: { access: '访问令牌', refresh: '刷新令牌' },
  summary: '概览',
  inFlight: '进行中',
  waiting: '等待中',
  accounts: '账号',
  addAccounts: '添加账号',
  addHint: '每行一个令牌，工作区在后面加“,账号 ID”。以 # 开头的行会被忽略。',
  addLabel: '令牌，每行一个',
  chooseFile: '或选择文件',
  add: '添加',
  adding: '正在添加…',
  cancel: '关闭',
  line: '行',
  result: '结果',
  search: '搜索',
  searchHint: '哈希、工作区、套餐、错误…',
  state: '状态',
  allStates: '全部状态',
  account: '账号',
  limits: '限额',
  success: '成功率',
  load: '负载',
  lastFailure: '最近失败',
  actions: '操作',
  noLimits: '无',
  never: '无',
  noAccounts: '还没有账号。添加之后，使用您密钥的请求就会在这些账号上运行。',
  noMatch: '没有符合条件的账号。',
  loading: '加载中…',
  test: '测试',
  refresh: '刷新',
  clear: '重置',
  clearHint: '清除失败、限额和隔离记录',
  enable: '启用',
  disable: '停用',
  remove: '删除',
  removeAll: '全部删除',
  exportCsv: '导出 CSV',
  exportJson: '导出 JSON lines',
  previous: '上一页',
  next: '下一页',
  allModels: '所有模型',
  keys: '客户端密钥',
  keysHint: '客户端作为 API key 发送的密钥。密钥只在创建时显示一次。',
  keyName: '名称',
  perMinute: '每分钟请求数',
  streams: '同时的流',
  makeKey: '创建密钥',
  unlimited: '不限',
  newKey: '新密钥',
  newKeyHint: '请立即复制：之后不再显示。',
  copy: '复制',
  copied: '已复制。',
  requests: '请求数',
  refused: '拒绝数',
  source: '来源',
  noKeys: '没有密钥。请创建一个，或在 AUTHORIZATION 中设置。',
  gateways: '上游网关',
  proxies: '出站代理',
  noProxies: '没有代理：直接连接。可在 PROXY_URL 中设置。',
  name: '名称',
  latency: '延迟',
  ejections: '剔除次数',
  done: '完成。',
  wellChecked: '账号正常。',
  range: (from, to, total) => `第 ${from}–${to} 个，共 ${total} 个`,
  added: ({ added, updated, known, rejected }) =>
    `添加 ${added}，更新 ${updated}，已存在 ${known}，拒绝 ${rejected}`,
  moreLines: (count) => `另有 ${count} 行`,
  confirmRemove: (id) => `删除账号 ${id}？其令牌将被清除。`,
  confirmRemoveAll: (count) => `删除全部 ${count} 个账号？其令牌将被清除。`,
  confirmRemoveKey: (name) => `删除密钥“${name}”？使用它的客户端将被拒绝。`,
  in: (duration) => `${duration}后`,
  ago: (duration) => `${duration}前`,
  expires: (when) => `${when}过期`,
  expired: (when) => `${when}过期`,
  units: [' 天', ' 小时', ' 分', ' 秒'],
};

export const TEXTS: Readonly<Record<Language, Texts>> = { en: EN, zh: ZH };
