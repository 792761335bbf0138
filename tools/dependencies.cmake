# simdjson, Eigen, xxHash and Snowball: the system's where it has them (apt, conda, brew,
# vcpkg), else upstream at a pinned version.
include(FetchContent)

find_package(OpenMP REQUIRED COMPONENTS CXX)

find_package(Eigen3 3.4 CONFIG QUIET)
if(NOT TARGET Eigen3::Eigen)
  set(EIGEN_BUILD_DOC OFF)
  set(EIGEN_BUILD_TESTING OFF)
  FetchContent_Declare(eigen
    GIT_REPOSITORY https://gitlab.com/libeigen/eigen.git
    GIT_TAG 3147391d946bb4b6c68edd901f2add6ac1f31f8c  # 3.4.0
    SYSTEM)
  FetchContent_MakeAvailable(eigen)
endif()

find_package(simdjson 3 CONFIG QUIET)
if(NOT TARGET simdjson::simdjson)
  FetchContent_Declare(simdjson
    GIT_REPOSITORY https://github.com/simdjson/simdjson.git
    GIT_TAG v3.13.0
    GIT_SHALLOW ON
    SYSTEM)
  FetchContent_MakeAvailable(simdjson)
endif()

# Header-only here (XXH_INLINE_ALL): only its place is needed.
add_library(ragtune_xxhash INTERFACE)
find_path(XXHASH_INCLUDE_DIR xxhash.h)
if(NOT XXHASH_INCLUDE_DIR)
  FetchContent_Declare(xxhash
    GIT_REPOSITORY https://github.com/Cyan4973/xxHash.git
    GIT_TAG v0.8.2
    GIT_SHALLOW ON
    SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(xxhash)
  set(XXHASH_INCLUDE_DIR ${xxhash_SOURCE_DIR})
endif()
target_include_directories(ragtune_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})

# Static where there is one: wheels carry it along. Its makers' archive has the stemmers as C.
add_library(ragtune_snowball INTERFACE)
find_path(SNOWBALL_INCLUDE_DIR libstemmer.h)
find_library(SNOWBALL_LIBRARY NAMES libstemmer.a stemmer)
if(NOT SNOWBALL_INCLUDE_DIR OR NOT SNOWBALL_LIBRARY)
  FetchContent_Declare(snowball
    URL https://snowballstem.org/dist/libstemmer_c-2.2.0.tar.gz
    URL_HASH SHA256=b941d9fe9cf36b4e2f8d3873cd4d8b8775bd94867a1df8d8c001bb8b688377c3
    SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(snowball)
  file(GLOB SNOWBALL_SOURCES ${snowball_SOURCE_DIR}/runtime/*.c
    ${snowball_SOURCE_DIR}/src_c/*_UTF_8_*.c)
  add_library(ragtune_libstemmer STATIC ${SNOWBALL_SOURCES}
    ${snowball_SOURCE_DIR}/libstemmer/libstemmer_utf8.c)
  set(SNOWBALL_INCLUDE_DIR ${snowball_SOURCE_DIR}/include)
  set(SNOWBALL_LIBRARY ragtune_libstemmer)
endif()
target_include_directories(ragtune_snowball SYSTEM INTERFACE ${SNOWBALL_INCLUDE_DIR})
target_link_libraries(ragtune_snowball INTERFACE ${SNOWBALL_LIBRARY})
