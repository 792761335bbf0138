#include "artifact.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ragtune {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr char MAGIC[8] = {'R', 'A', 'G', 'T', 'U', 'N', 'E', '\n'};
constexpr std::uint32_t FORMAT = 1;
constexpr std::uint32_t MAX_SECTIONS = 1024;
constexpr std::uint64_t ALIGNMENT = 64;

struct Header {
  char magic[8];
  std::uint32_t format;
  std::uint32_t sections;
};

struct Entry {
  char name[32];
  std::uint32_t dtype;
  std::uint32_t reserved;
  std::uint64_t rows, columns, offset, checksum;
};
static_assert(sizeof(Header) == 16 && sizeof(Entry) == 72);

std::uint64_t checksum(const void* data, std::size_t size) { return XXH3_64bits(data, size); }

std::uint64_t checksum(const std::vector<std::span<const std::byte>>& parts) {
  if (parts.size() == 1) return checksum(parts[0].data(), parts[0].size());
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (const auto part : parts) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

std::uint64_t size_of(const ScatteredSection& section) {
  std::uint64_t size = 0;
  for (const auto part : section.parts) size += part.size();
  return size;
}

std::uint64_t aligned(std::uint64_t offset) {
  return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

std::runtime_error system_error(const std::string& path, const char* what) {
  return std::runtime_error(path + ": " + what + ": " + std::strerror(errno));
}

// A file descriptor that closes itself.
class File {
 public:
  File(const std::string& path, int flags) : path_(path), fd_(open(path.c_str(), flags, 0666)) {
    if (fd_ < 0) throw system_error(path, "cannot be opened");
  }
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }

  void write_all(const void* data, std::size_t size) {
    auto from = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t written = write(fd_, from, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw system_error(path_, "cannot be written");
      from += written;
      size -= std::size_t(written);
    }
  }

  void sync() {
    if (fsync(fd_) != 0) throw system_error(path_, "cannot be flushed");
  }

 private:
  std::string path_;
  int fd_;
};

bool good_name(const std::string& name) {
  return !name.empty() && name.size() < sizeof(Entry::name) &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127; });
}

std::vector<Entry> table_of(const std::vector<ScatteredSection>& sections) {
  if (sections.size() > MAX_SECTIONS)
    throw std::invalid_argument("sections: expected at most " + std::to_string(MAX_SECTIONS) +
                                ", got " + std::to_string(sections.size()));
  std::vector<Entry> table;
  std::uint64_t offset =
      aligned(sizeof(Header) + sections.size() * sizeof(Entry) + sizeof(std::uint64_t));
  for (const ScatteredSection& section : sections) {
    if (!good_name(section.name))
      throw std::invalid_argument("section name: expected 1 to 31 printable characters, got " +
                                  section.name);
    if (section.shape[0] * section.shape[1] * size_of(section.dtype) != size_of(section))
      throw std::invalid_argument("section " + section.name + ": shape and size disagree");
    Entry entry{};
    std::ranges::copy(section.name, entry.name);
    entry.dtype = std::uint32_t(section.dtype);
    entry.rows = section.shape[0];
    entry.columns = section.shape[1];
    entry.offset = offset;
    entry.checksum = checksum(section.parts);
    table.push_back(entry);
    offset = aligned(offset + size_of(section));
  }
  return table;
}

std::string head_of(const std::vector<Entry>& table) {
  Header header{{}, FORMAT, std::uint32_t(table.size())};
  std::ranges::copy(MAGIC, header.magic);
  std::string head(reinterpret_cast<const char*>(&header), sizeof header);
  head.append(reinterpret_cast<const char*>(table.data()), table.size() * sizeof(Entry));
  const std::uint64_t sum = checksum(head.data(), head.size());
  head.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return head;
}

void write_file(const std::string& path, const std::vector<ScatteredSection>& sections) {
  const std::vector<Entry> table = table_of(sections);
  const std::string head = head_of(table);
  File file(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
  file.write_all(head.data(), head.size());
  std::uint64_t at = head.size();
  constexpr char ZEROS[ALIGNMENT] = {};
  for (std::size_t i = 0; i < table.size(); ++i) {
    file.write_all(ZEROS, table[i].offset - at);
    for (const auto part : sections[i].parts) file.write_all(part.data(), part.size());
    at = table[i].offset + size_of(sections[i]);
  }
  file.sync();
}

// One entry of the table as a section, or CorruptFile.
Section section_at(const std::byte* data, std::size_t size, const Entry& entry,
                   const std::string& path) {
  const auto corrupt = [&](const char* what) { return CorruptFile(path + ": " + what); };
  const std::string name(entry.name, strnlen(entry.name, sizeof entry.name));
  if (!good_name(name)) throw corrupt("damaged section name");
  if (entry.dtype < 1 || entry.dtype > std::uint32_t(Dtype::u16))
    throw corrupt("unknown dtype in section table");
  const auto dtype = Dtype(entry.dtype);
  std::uint64_t length;
  if (__builtin_mul_overflow(entry.rows, entry.columns, &length) ||
      __builtin_mul_overflow(length, std::uint64_t(size_of(dtype)), &length) ||
      entry.offset > size || length > size - entry.offset || entry.offset % ALIGNMENT)
    throw corrupt("a section reaches beyond the end of the file");
  if (checksum(data + entry.offset, length) != entry.checksum)
    throw corrupt("checksum of a section differs");
  return {name, dtype, {entry.rows, entry.columns}, {data + entry.offset, std::size_t(length)}};
}

}  // namespace

std::size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::u8: return 1;
    case Dtype::u16: return 2;
    case Dtype::i32:
    case Dtype::f32: return 4;
    case Dtype::i64:
    case Dtype::f64: return 8;
  }
  throw std::invalid_argument("dtype: unknown number " + std::to_string(std::uint32_t(dtype)));
}

void write_artifact(const std::string& path, const std::vector<ScatteredSection>& sections) {
  // Not the process's number alone: containers that share a volume may have the same.
  std::random_device random;
  const std::string temporary =
      path + ".tmp" + std::to_string(getpid()) + "." + std::to_string(random());
  try {
    write_file(temporary, sections);
    if (rename(temporary.c_str(), path.c_str()) != 0)
      throw system_error(path, "cannot be replaced");
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  const auto parent = std::filesystem::path(path).parent_path();
  File(parent.empty() ? "." : parent.string(), O_RDONLY | O_DIRECTORY | O_CLOEXEC).sync();
}

void write_artifact(const std::string& path, const std::vector<Section>& sections) {
  std::vector<ScatteredSection> scattered;
  for (const Section& section : sections)
    scattered.push_back({section.name, section.dtype, section.shape, {section.bytes}});
  write_artifact(path, scattered);
}

Artifact::Artifact(const std::string& path) {
  const File file(path, O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (fstat(file.fd(), &status) != 0) throw system_error(path, "cannot be read");
  if (!S_ISREG(status.st_mode)) throw CorruptFile(path + ": not a regular file");
  size_ = std::size_t(status.st_size);
  if (size_ < sizeof(Header) + sizeof(std::uint64_t)) throw CorruptFile(path + ": cut off");
  void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (mapped == MAP_FAILED) throw system_error(path, "cannot be mapped");
  data_ = static_cast<const std::byte*>(mapped);
  try {
    verify(path);
  } catch (...) {
    munmap(mapped, size_);
    throw;
  }
}

Artifact::~Artifact() { munmap(const_cast<std::byte*>(data_), size_); }

void Artifact::verify(const std::string& path) {
  Header header;
  std::memcpy(&header, data_, sizeof header);
  if (!std::ranges::equal(header.magic, MAGIC))
    throw CorruptFile(path + ": not a ragtune artifact");
  if (header.format != FORMAT)
    throw CorruptFile(path + ": format " + std::to_string(header.format) +
                      ", this program reads format " + std::to_string(FORMAT));
  const std::size_t end = sizeof header + header.sections * sizeof(Entry);
  if (header.sections > MAX_SECTIONS || end + sizeof(std::uint64_t) > size_)
    throw CorruptFile(path + ": cut off in the section table");
  std::uint64_t expected;
  std::memcpy(&expected, data_ + end, sizeof expected);
  if (checksum(data_, end) != expected)
    throw CorruptFile(path + ": checksum of the section table differs");
  for (std::uint32_t i = 0; i < header.sections; ++i) {
    Entry entry;
    std::memcpy(&entry, data_ + sizeof header + i * sizeof entry, sizeof entry);
    sections_.push_back(section_at(data_, size_, entry, path));
  }
}

}  // namespace ragtune
