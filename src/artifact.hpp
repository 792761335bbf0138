// The file in which a model is kept: named arrays, checksummed, versioned.
//
//   magic "RAGTUNE\n", format u32, section count u32,
//   section table: one 72-byte entry each (name, dtype, shape, offset, length, checksum),
//   checksum of all of that, then the payloads, each at a multiple of 64 bytes.
//
// All integers are little-endian; checksums are XXH3 (64 bits). A reader believes no
// length before it has held it against the size of the file.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace ragtune {

// The file is not what was written: cut off, changed, or of another format.
struct CorruptFile : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Dtype : std::uint32_t { u8 = 1, i32 = 2, i64 = 3, f32 = 4, f64 = 5, u16 = 6 };

// Bytes per element. Throws std::invalid_argument for a number that is no Dtype.
std::size_t size_of(Dtype dtype);

struct Section {
  std::string name;  // 1 to 31 bytes of printable ASCII
  Dtype dtype = Dtype::u8;
  std::array<std::uint64_t, 2> shape{};  // (rows, columns)
  std::span<const std::byte> bytes;      // rows * columns * size_of(dtype)
};

// A section to be written whose bytes lie in several places.
struct ScatteredSection {
  std::string name;
  Dtype dtype = Dtype::u8;
  std::array<std::uint64_t, 2> shape{};
  std::vector<std::span<const std::byte>> parts;
};

// Replaces path in one step: a reader sees the old file or the new one, also after a crash
// (temporary file, fsync, rename, fsync of the directory).
// Throws std::invalid_argument for a bad section, std::runtime_error (with path) if writing fails.
void write_artifact(const std::string& path, const std::vector<ScatteredSection>& sections);
void write_artifact(const std::string& path, const std::vector<Section>& sections);

// A memory-mapped artifact whose every checksum has been verified.
class Artifact {
 public:
  // Throws std::runtime_error if path cannot be opened, CorruptFile if it is not an artifact,
  // is newer than this program, or differs in any bit from what was written.
  explicit Artifact(const std::string& path);
  ~Artifact();
  Artifact(const Artifact&) = delete;
  Artifact& operator=(const Artifact&) = delete;

  const std::vector<Section>& sections() const { return sections_; }

 private:
  void verify(const std::string& path);

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::vector<Section> sections_;
};

}  // namespace ragtune
