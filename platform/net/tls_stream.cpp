#include "platform/net/tls_stream.hpp"

#include <algorithm>

#include "platform/loop/timer.hpp"
#include "platform/net/tls_native.hpp"
#include "platform/system/memory.hpp"
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

namespace myst::platform {

struct TlsStream::State {
  State(Loop& owner, std::unique_ptr<Stream> carrier, std::size_t limit, OnOpen call)
      : loop(owner),
        inner(std::move(carrier)),
        write_limit(limit),
        on_open(std::move(call)),
        later(owner, [this] { pump(); }) {
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
  }
  ~State() {
    mbedtls_ssl_free(&ssl);
    mbedtls_ssl_config_free(&config);
  }

  Loop& loop;
  std::unique_ptr<Stream> inner;
  const std::size_t write_limit;
  const OnOpen on_open;
  std::unique_ptr<Handlers> handlers;     // replaced, they live on until they return
  std::shared_ptr<const TlsTrust> trust;  // until the handshake is done
  std::shared_ptr<const TlsIdentity> identity;
  std::optional<IpAddress> numeric_name;
  mbedtls_ssl_config config;
  mbedtls_ssl_context ssl;
  Timer later;
  Bytes
      in;  // encrypted, from in_begin on; bounded: the inner stream is paused while we do not read
  std::size_t in_begin = 0;
  bool inner_ended = false;
  Status inner_status;
  Status failure;
  bool open = false;
  bool paused = false;
  bool ended = false;
  bool finished = false;
  bool closed = false;  // the TlsStream is gone

  Status set_up(int role);
  void begin();
  void pump();
  void handshake();
  void read();
  void end(const Status& how);
  void on_inner_data(ByteSpan bytes);
};

namespace {

using State = TlsStream::State;

int bio_send(void* context, const unsigned char* data, std::size_t size) {
  auto* state = static_cast<State*>(context);
  if (!state->inner->write({data, size}).ok()) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  return static_cast<int>(size);
}

int bio_receive(void* context, unsigned char* out, std::size_t size) {
  auto* state = static_cast<State*>(context);
  const std::size_t waiting = state->in.size() - state->in_begin;
  if (waiting == 0) return state->inner_ended ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
  size = std::min(size, waiting);
  std::copy_n(state->in.begin() + static_cast<std::ptrdiff_t>(state->in_begin), size, out);
  state->in_begin += size;
  if (state->in_begin == state->in.size()) {
    state->in = Bytes();
    state->in_begin = 0;
  }
  return static_cast<int>(size);
}

// mbedtls 2.28 compares host names only; an address is looked for here, in the iPAddress entries of
// the leaf's alternative names (RFC 5280 4.2.1.6: tag [7], 4 or 16 bytes).
int check_numeric_name(void* context, mbedtls_x509_crt* certificate, int depth,
                       std::uint32_t* flags) {
  if (depth != 0) return 0;
  const ByteSpan wanted = static_cast<State*>(context)->numeric_name->bytes();
  for (const auto* name = &certificate->subject_alt_names; name != nullptr; name = name->next) {
    const ByteSpan value(name->buf.p, name->buf.len);
    if ((name->buf.tag & 0x1f) == 7 &&
        std::equal(value.begin(), value.end(), wanted.begin(), wanted.end())) {
      return 0;
    }
  }
  *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
  return 0;
}

}  // namespace

Status State::set_up(int role) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  if (psa_crypto_init() != PSA_SUCCESS) return Error{Errc::Internal, 0, "tls set-up"};
#endif
  int error = mbedtls_ssl_config_defaults(&config, role, MBEDTLS_SSL_TRANSPORT_STREAM,
                                          MBEDTLS_SSL_PRESET_DEFAULT);
  if (error != 0) return Error{Errc::Internal, error, "tls set-up"};
#if MBEDTLS_VERSION_NUMBER < 0x03000000
  mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
  mbedtls_ssl_conf_rng(&config, tls_random, nullptr);
  if (trust != nullptr) {
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&config, &trust->native().chain, nullptr);
    if (numeric_name) mbedtls_ssl_conf_verify(&config, check_numeric_name, this);
  }
  if (identity != nullptr) {
    error = mbedtls_ssl_conf_own_cert(&config, &identity->native().chain, &identity->native().key);
    if (error != 0) return Error{Errc::Internal, error, "tls set-up"};
  }
  error = mbedtls_ssl_setup(&ssl, &config);
  if (error != 0) return Error{Errc::Internal, error, "tls set-up"};
  mbedtls_ssl_set_bio(&ssl, this, bio_send, bio_receive, nullptr);
  return {};
}

void State::begin() {
  Handlers events;
  events.data = [this](ByteSpan bytes) { on_inner_data(bytes); };
  events.ended = [this](const Status& how) {
    inner_ended = true;
    inner_status = how;
    pump();
  };
  events.drained = [this] {
    if (open && !ended && handlers != nullptr && handlers->drained) handlers->drained();
  };
  inner->start(std::move(events));
  later.arm(loop.instant());  // the client speaks first
}

void State::on_inner_data(ByteSpan bytes) {
  in.insert(in.end(), bytes.begin(), bytes.end());
  pump();
}

void State::pump() {
  if (closed || ended) return;
  if (!failure.ok()) return end(failure);
  if (!open) return handshake();
  if (handlers != nullptr && !paused) read();
}

void State::handshake() {
  const int result = mbedtls_ssl_handshake(&ssl);
  if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) return;
  if (result == 0) {
    open = true;
    mbedtls_ssl_conf_ca_chain(&config, nullptr, nullptr);
    if (trust != nullptr) {
      const bool last = trust.use_count() == 1;
      trust.reset();
      if (last) trim_heap();  // the bundle was half a megabyte
    }
    inner->pause();  // until start()
    on_open({});
    return;
  }
  ended = true;
  inner->pause();
  if (result == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
    const auto flags = static_cast<int>(mbedtls_ssl_get_verify_result(&ssl));
    on_open(Error{Errc::Unauthorized, flags, "tls certificate of the peer"});
  } else if (inner_ended && !inner_status.ok()) {
    on_open(inner_status.error());
  } else {
    on_open(Error{Errc::Io, result, "tls handshake"});
  }
}

void State::read() {
  std::uint8_t buffer[4096];
  for (;;) {
    const int result = mbedtls_ssl_read(&ssl, buffer, sizeof buffer);
    if (result > 0) {
      if (handlers->data) handlers->data(ByteSpan(buffer, static_cast<std::size_t>(result)));
      if (closed || paused || ended) return;
      continue;
    }
    if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) return;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    if (result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) continue;
#endif
    if (result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return end({});
    if (inner_ended && !inner_status.ok()) return end(inner_status);
    // The carrier's end without a close_notify may be an attacker's cut.
    return end(Error{Errc::Io, result, inner_ended ? "tls connection cut off" : "tls record"});
  }
}

void State::end(const Status& how) {
  ended = true;
  inner->pause();
  if (handlers != nullptr && handlers->ended) handlers->ended(how);
}

TlsStream::TlsStream(std::unique_ptr<State> state) : state_(std::move(state)) {}

TlsStream::~TlsStream() {
  state_->closed = true;
  state_->later.cancel();
  state_->inner.reset();
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

Result<std::unique_ptr<TlsStream>> TlsStream::connect(Loop& loop, std::unique_ptr<Stream> inner,
                                                      const std::string& name,
                                                      std::shared_ptr<const TlsTrust> trust,
                                                      OnOpen on_open, std::size_t write_limit) {
  auto state = std::make_unique<State>(loop, std::move(inner), write_limit, std::move(on_open));
  if (trust == nullptr) {
    MYST_TRY_ASSIGN(trust, TlsTrust::system());
  }
  state->trust = std::move(trust);
  if (auto address = IpAddress::parse(name); address.ok()) state->numeric_name = *address;
  MYST_TRY(state->set_up(MBEDTLS_SSL_IS_CLIENT));
  // A numeric name is no server name indication (RFC 6066 section 3); the null says that on
  // purpose.
  if (mbedtls_ssl_set_hostname(&state->ssl, state->numeric_name ? nullptr : name.c_str()) != 0) {
    return Error{Errc::Malformed, 0, "tls server name"};
  }
  state->begin();
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(state)));
}

Result<std::unique_ptr<TlsStream>> TlsStream::accept(Loop& loop, std::unique_ptr<Stream> inner,
                                                     std::shared_ptr<const TlsIdentity> identity,
                                                     OnOpen on_open, std::size_t write_limit) {
  auto state = std::make_unique<State>(loop, std::move(inner), write_limit, std::move(on_open));
  state->identity = std::move(identity);
  MYST_TRY(state->set_up(MBEDTLS_SSL_IS_SERVER));
  state->begin();
  return std::unique_ptr<TlsStream>(new TlsStream(std::move(state)));
}

void TlsStream::start(Handlers handlers) {
  state_->loop.dispose(std::move(state_->handlers));
  state_->handlers = std::make_unique<Handlers>(std::move(handlers));
  if (!state_->paused) resume();
}

void TlsStream::pause() {
  state_->paused = true;
  state_->inner->pause();
}

void TlsStream::resume() {
  state_->paused = false;
  if (state_->ended) return;
  state_->inner->resume();
  state_->later.arm(state_->loop.instant());  // what is here already wakes nobody else
}

Status TlsStream::write(ByteSpan bytes) {
  State& state = *state_;
  if (!state.failure.ok()) return state.failure;
  if (!state.open || state.finished) return Error{Errc::InvalidState, 0, "tls write"};
  const std::size_t waiting = std::min(state.inner->queued(), state.write_limit);
  if (bytes.size() > state.write_limit - waiting) return Error{Errc::Full, 0, "tls write queue"};
  while (!bytes.empty()) {
    const int result = mbedtls_ssl_write(&state.ssl, bytes.data(), bytes.size());
    if (result <= 0) {
      state.failure = Error{Errc::Io, result, "tls write"};
      state.later.arm(state.loop.instant());
      return state.failure;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(result));
  }
  return {};
}

std::size_t TlsStream::queued() const { return state_->inner->queued(); }

void TlsStream::finish() {
  if (!state_->open || state_->finished) return;
  state_->finished = true;
  (void)mbedtls_ssl_close_notify(&state_->ssl);
  state_->inner->finish();
}

Endpoint TlsStream::local() const { return state_->inner->local(); }
Endpoint TlsStream::remote() const { return state_->inner->remote(); }

}  // namespace myst::platform
