# Compiler settings that hold for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # statement expressions, for TRY()
set(CMAKE_C_STANDARD 11)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(RKT_CCACHE ccache)
if(RKT_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${RKT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RKT_CCACHE})
endif()

add_compile_options(-Wall -Wextra $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> -Wno-missing-field-initializers -Werror=return-type
                    -Werror=unused-result -fno-plt -ffunction-sections -fdata-sections)
add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64 RKT_VERSION="${PROJECT_VERSION}")
include_directories(${CMAKE_SOURCE_DIR}/src)

set(RKT_SANITIZE "" CACHE STRING "Sanitizers for every target, such as address,undefined")
if(RKT_SANITIZE)
  add_compile_options(-fsanitize=${RKT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RKT_SANITIZE})
  set(RKT_STATIC_LINK "")
else()
  set(RKT_STATIC_LINK -static -Wl,--gc-sections -Wl,-z,norelro)
endif()

# The build tree is laid out like an installation, so that programs find each other the same way.
set(RKT_BIN_DIR ${CMAKE_BINARY_DIR}/bin)
set(RKT_LIBEXEC_DIR ${CMAKE_BINARY_DIR}/libexec/rkt)
set(RKT_STAGE1_DIR ${CMAKE_BINARY_DIR}/lib/rkt/stage1-images)
set(RKT_TEST_DIR ${CMAKE_BINARY_DIR}/test)
